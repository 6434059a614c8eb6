CREATE STREAM o (customer INTEGER, item VARCHAR, qty INTEGER, price DECIMAL(10,2));
CREATE TABLE c (id INTEGER PRIMARY KEY, region VARCHAR);
----
SELECT customer, sum(qty) AS q FROM o GROUP BY customer HAVING sum(qty) > 5;
SELECT item FROM o GROUP BY item HAVING count(*) > 3 AND max(price) > 20;
SELECT max(q) AS best, count(*) AS n FROM (SELECT customer, sum(qty) AS q FROM o GROUP BY customer);
SELECT n, count(*) AS customers FROM (SELECT customer, count(*) AS n FROM o GROUP BY customer) GROUP BY n;
SELECT avg(m) AS a, sum(s) AS t FROM (SELECT item, max(price) AS m, sum(qty) AS s FROM o GROUP BY item HAVING count(*) > 1) WHERE m > 0;
SELECT region, max(total) AS best, count(*) AS n FROM (SELECT c.region, c.id, sum(o.qty * o.price) AS total FROM o JOIN c ON c.id = o.customer GROUP BY c.region, c.id) GROUP BY region;
SELECT k, sum(n) AS s FROM (SELECT k, n FROM (SELECT item AS k, customer, count(*) AS n FROM o GROUP BY item, customer) WHERE n > 1) GROUP BY k;
SELECT region, count(*) AS n FROM c GROUP BY region HAVING count(*) FILTER (id > 3) > 0;
SELECT m, min(region) AS r FROM (SELECT region, max(id) % 4 AS m FROM c GROUP BY region) GROUP BY m HAVING min(region) IS NOT NULL;
