CREATE TABLE stock (shop INTEGER, item VARCHAR, qty BIGINT, price DECIMAL(8,2), PRIMARY KEY (shop, item));
CREATE TABLE price (shop INTEGER, item VARCHAR, day DATE, p DOUBLE);
CREATE STREAM sale (shop INTEGER, item VARCHAR, n SMALLINT, at TIMESTAMP);
----
SELECT sale.shop, sale.item, n, qty FROM sale JOIN stock ON sale.shop = stock.shop AND sale.item = stock.item;
SELECT shop, item, n, price FROM sale JOIN stock USING (shop, item);
SELECT shop, item, qty, p, day FROM stock NATURAL JOIN price;
SELECT s.shop, s.item, s.n, k.qty, p.p FROM sale s JOIN stock k ON s.shop = k.shop AND s.item = k.item JOIN price p ON p.shop = s.shop AND p.item = s.item;
SELECT s.item, sum(s.n * k.price) AS turnover, count(*) AS c FROM sale s JOIN stock k ON s.shop = k.shop AND s.item = k.item GROUP BY s.item;
SELECT a.shop, a.item, b.item AS other FROM stock a JOIN stock b ON a.shop = b.shop AND a.item < b.item AND a.qty = b.qty;
SELECT k.shop, k.item, p.p FROM stock k JOIN price p ON k.shop + 1 = p.shop AND lower(k.item) = p.item;
SELECT k.shop, p.item FROM stock k JOIN price p ON k.qty = p.shop WHERE k.qty > 2 AND p.p BETWEEN 0 AND 20;
SELECT k.shop, k.item FROM stock k JOIN sale s ON k.shop = s.shop AND k.qty <> s.n AND k.item <> s.item WHERE s.n > 5;
