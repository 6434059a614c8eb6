CREATE STREAM transfers (id BIGINT, payer INTEGER, payee INTEGER, amount BIGINT, at TIMESTAMP);
CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner VARCHAR, opening DECIMAL(12,2));
----
INSERT INTO transfers VALUES (1, 1, 2, 1, '2024-02-28 00:00:00'), (2, 2, 3, 1, '2024-02-28 00:00:00'), (3, 3, 1, 1, '2024-02-28 00:00:01');
----
SELECT payer AS account, sum(amount) AS debits FROM transfers GROUP BY payer;
SELECT payee AS account, sum(amount) AS credits FROM transfers GROUP BY payee;
SELECT c.account, c.credits - d.debits AS balance FROM (SELECT payee AS account, sum(amount) AS credits FROM transfers GROUP BY payee) c JOIN (SELECT payer AS account, sum(amount) AS debits FROM transfers GROUP BY payer) d ON c.account = d.account;
SELECT account, sum(amount) AS balance FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) GROUP BY account;
SELECT sum(balance) AS zero FROM (SELECT account, sum(amount) AS balance FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) GROUP BY account);
SELECT a.owner, sum(t.amount) AS moved, count(*) AS n FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) t JOIN accounts a ON a.id = t.account GROUP BY a.owner;
SELECT a.id, a.opening + b.balance AS now FROM accounts a JOIN (SELECT account, sum(amount)::BIGINT AS balance FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) GROUP BY account) b ON b.account = a.id;
SELECT at, sum(amount) AS volume, count(DISTINCT payer) AS payers FROM transfers GROUP BY at;
SELECT p.owner AS giver, r.owner AS taker, sum(t.amount) AS s FROM transfers t JOIN accounts p ON p.id = t.payer JOIN accounts r ON r.id = t.payee GROUP BY p.owner, r.owner;
SELECT account FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) GROUP BY account HAVING sum(amount) < 0;
WITH balance AS (SELECT account, sum(amount) AS b FROM (SELECT payee AS account, amount FROM transfers UNION ALL SELECT payer, -amount FROM transfers) GROUP BY account) SELECT x.account, y.account AS other FROM balance x JOIN balance y ON x.b = -y.b AND x.account < y.account;
SELECT t.id, t.amount FROM transfers t JOIN transfers u ON t.payer = u.payee AND t.payee = u.payer AND t.id <> u.id;
