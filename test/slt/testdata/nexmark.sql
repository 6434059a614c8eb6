CREATE STREAM person (id BIGINT, name VARCHAR, email VARCHAR, city VARCHAR, state VARCHAR, at TIMESTAMP, extra VARCHAR);
CREATE STREAM auction (id BIGINT, item VARCHAR, description VARCHAR, initial BIGINT, reserve BIGINT, at TIMESTAMP, expires TIMESTAMP, seller BIGINT, category INTEGER);
CREATE STREAM bid (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, at TIMESTAMP, extra VARCHAR);
----
-- q0
SELECT auction, bidder, price, at, extra FROM bid;
-- q1
SELECT auction, bidder, 0.908 * price AS price, at, extra FROM bid;
-- q2
SELECT auction, price FROM bid WHERE auction % 3 = 0;
-- q3
SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id WHERE a.category = 5 AND p.state IN ('a', 'b', 'c');
SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id WHERE a.category > 2;
-- q4
SELECT category, avg(final) AS price FROM (SELECT a.id, a.category, max(b.price) AS final FROM auction a JOIN bid b ON a.id = b.auction WHERE b.at BETWEEN a.at AND a.expires GROUP BY a.id, a.category) GROUP BY category;
-- q5: bids per auction and window, and the most of them
SELECT w, max(n) AS most FROM (SELECT auction, time_bucket(INTERVAL 10 MINUTE, at) AS w, count(*) AS n FROM bid GROUP BY auction, w) GROUP BY w;
SELECT c.auction, c.w, c.n FROM (SELECT auction, time_bucket(INTERVAL 1 HOUR, at) AS w, count(*) AS n FROM bid GROUP BY auction, w) c JOIN (SELECT w, max(n) AS m FROM (SELECT auction, time_bucket(INTERVAL 1 HOUR, at) AS w, count(*) AS n FROM bid GROUP BY auction, w) GROUP BY w) x ON x.w = c.w AND c.n >= x.m;
-- q7
SELECT b.auction, b.price, b.bidder, b.at FROM bid b JOIN (SELECT time_bucket(INTERVAL 1 HOUR, at) AS w, max(price) AS m FROM bid GROUP BY w) x ON b.price = x.m AND time_bucket(INTERVAL 1 HOUR, b.at) = x.w;
-- q8
SELECT p.id, p.name, p.w FROM (SELECT id, name, time_bucket(INTERVAL 1 DAY, at) AS w FROM person GROUP BY id, name, w) p JOIN (SELECT seller, time_bucket(INTERVAL 1 DAY, at) AS w FROM auction GROUP BY seller, w) a ON p.id = a.seller AND p.w = a.w;
-- q14
SELECT auction, bidder, 0.908 * price AS price, CASE WHEN hour(at) BETWEEN 8 AND 18 THEN 'day' WHEN hour(at) <= 6 OR hour(at) >= 20 THEN 'night' ELSE 'other' END AS bid_time, at, length(extra) - length(replace(extra, 'c', '')) AS c_counts FROM bid WHERE 0.908 * price > 2 AND 0.908 * price < 50;
-- q15
SELECT strftime(at, '%Y-%m-%d') AS day, count(*) AS total, count(*) FILTER (price < 3) AS low, count(*) FILTER (price >= 3 AND price < 7) AS middle, count(DISTINCT bidder) AS bidders, count(DISTINCT bidder) FILTER (price < 3) AS low_bidders, count(DISTINCT auction) AS auctions FROM bid GROUP BY day;
-- q16
SELECT channel, at::DATE AS day, max(strftime(at, '%H:%M')) AS minute, count(*) AS total, count(DISTINCT bidder) FILTER (price >= 7) AS high_bidders FROM bid GROUP BY channel, day;
-- q17
SELECT auction, at::DATE AS day, count(*) AS total, count(*) FILTER (price < 2) AS rank1, count(*) FILTER (price >= 2 AND price < 6) AS rank2, count(*) FILTER (price >= 6) AS rank3, min(price) AS lo, max(price) AS hi, avg(price) AS mean, sum(price) AS s FROM bid GROUP BY auction, day;
-- q20
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.at, a.item, a.description, a.initial, a.reserve, a.expires, a.seller, a.category FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 3;
-- q21
SELECT auction, bidder, price, channel, CASE WHEN lower(channel) = 'a' THEN '0' WHEN lower(channel) = 'north' THEN '1' ELSE regexp_extract(url, '(n|s)(or|ou)th', 2) END AS channel_id FROM bid WHERE regexp_extract(url, '(n|s)(or|ou)th', 2) <> '' OR lower(channel) IN ('a', 'north', 'south', 'äpfel');
-- q22
SELECT auction, bidder, price, channel, split_part(url, ' ', 3) AS dir1, split_part(url, ' ', 4) AS dir2, split_part(url, ' ', 5) AS dir3 FROM bid;
