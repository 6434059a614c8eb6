CREATE TABLE country (id INTEGER PRIMARY KEY, name VARCHAR);
CREATE TABLE city (id INTEGER PRIMARY KEY, country INTEGER, name VARCHAR);
CREATE TABLE shop (id INTEGER PRIMARY KEY, city INTEGER, area DOUBLE);
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR, price DECIMAL(8,2));
CREATE STREAM sale (shop INTEGER, item INTEGER, n INTEGER);
----
SELECT sale.n, item.name FROM sale JOIN item ON sale.item = item.id;
SELECT s.n, i.name, h.area FROM sale s JOIN item i ON s.item = i.id JOIN shop h ON s.shop = h.id;
SELECT s.n, i.name AS item, c.name AS city FROM sale s, item i, shop h, city c WHERE s.item = i.id AND s.shop = h.id AND h.city = c.id;
SELECT s.n, i.name AS item, c.name AS city, o.name AS country FROM sale s, item i, shop h, city c, country o WHERE s.item = i.id AND s.shop = h.id AND h.city = c.id AND c.country = o.id;
SELECT o.name, sum(s.n * i.price) AS turnover, count(*) AS c FROM sale s JOIN item i ON s.item = i.id JOIN shop h ON s.shop = h.id JOIN city c ON h.city = c.id JOIN country o ON c.country = o.id GROUP BY o.name;
SELECT a.id AS x, b.id AS y, c.id AS z FROM city a JOIN city b ON a.country = b.country JOIN city c ON b.country = c.country WHERE a.id < b.id AND b.id < c.id;
SELECT a.id AS x, b.id AS y FROM shop a JOIN shop b ON a.city = b.id AND b.city = a.id;
SELECT h.id, o.name FROM shop h JOIN city c ON h.city = c.id JOIN country o ON c.country = o.id AND h.area > 3 WHERE c.name <> o.name;
SELECT c.name, max(h.area) AS m, count(DISTINCT i.id) AS items FROM city c JOIN shop h ON h.city = c.id JOIN sale s ON s.shop = h.id JOIN item i ON i.id = s.item WHERE i.price > 0 GROUP BY c.name HAVING count(*) > 1;
SELECT DISTINCT c.name AS city, i.name AS item FROM city c JOIN shop h ON h.city = c.id JOIN sale s ON s.shop = h.id JOIN item i ON i.id = s.item;
