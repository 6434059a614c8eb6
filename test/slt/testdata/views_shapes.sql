CREATE TABLE emp (id INTEGER PRIMARY KEY, boss INTEGER, dept VARCHAR, pay DECIMAL(10,2), hired DATE);
CREATE TABLE dept (name VARCHAR PRIMARY KEY, budget DOUBLE, head INTEGER);
CREATE STREAM expense (emp INTEGER, amount DECIMAL(10,2), day DATE, note VARCHAR);
----
SELECT e.id, b.id AS boss, e.pay - b.pay AS diff FROM emp e JOIN emp b ON e.boss = b.id;
SELECT e.id AS a, b.id AS b, c.id AS c FROM emp e JOIN emp b ON e.boss = b.id JOIN emp c ON b.boss = c.id;
SELECT d.name, d.budget - sum(e.pay) AS free FROM dept d JOIN emp e ON e.dept = d.name GROUP BY d.name, d.budget;
SELECT e.id, e.pay FROM emp e JOIN (SELECT dept, avg(pay) AS a FROM emp GROUP BY dept) m ON m.dept = e.dept WHERE e.pay > m.a;
SELECT d.name, count(*) AS n, sum(x.amount) AS spent FROM dept d, emp e, expense x WHERE e.dept = d.name AND x.emp = e.id AND x.amount > 0 GROUP BY d.name;
SELECT year(hired) AS y, dept, count(*) AS n, min(pay) AS lo, max(pay) AS hi, avg(pay) AS a FROM emp GROUP BY y, dept;
SELECT b.id, count(*) AS reports, sum(e.pay) AS total FROM emp e JOIN emp b ON e.boss = b.id GROUP BY b.id HAVING count(*) >= 2;
SELECT date_trunc('month', day) AS m, dept, sum(amount) AS s FROM expense JOIN emp ON emp.id = expense.emp GROUP BY m, dept;
SELECT h.id, h.dept FROM emp h JOIN dept d ON d.head = h.id AND d.name <> h.dept;
SELECT arg_max(id, id) AS last, dept FROM emp WHERE id IN (SELECT emp FROM expense WHERE note LIKE '%o%') GROUP BY dept;
SELECT e.dept, x.day, count(DISTINCT x.note) AS notes FROM emp e JOIN expense x ON x.emp = e.id AND x.day >= e.hired GROUP BY e.dept, x.day;
