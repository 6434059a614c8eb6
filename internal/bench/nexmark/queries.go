package nexmark

import "strings"

// Query is a query of the benchmark. Its text means the same to Tidemill and to DuckDB.
type Query struct {
	Name string
	// About says in a few words what it does.
	About string
	SQL   string
}

// Queries are the queries, in order.
func Queries() []Query {
	return []Query{
		{"q0", "every bid", `SELECT auction, bidder, price, "dateTime", extra FROM bid`},
		{"q1", "every bid, price in euros", `SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price, "dateTime", extra FROM bid`},
		{"q2", "bids on some auctions", `SELECT auction, price FROM bid WHERE auction % 123 = 0`},
		{"q3", "sellers of a category in three states", `
SELECT p.name, p.city, p.state, a.id
FROM auction a JOIN person p ON a.seller = p.id
WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA')`},
		{"q4", "average closing price by category", `
SELECT category, avg(final) AS average
FROM (SELECT a.id, a.category, max(b.price) AS final
      FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b."dateTime" >= a."dateTime" AND b."dateTime" <= a.expires
      GROUP BY a.id, a.category) closed
GROUP BY category`},
		{"q6", "average closing price of a seller's last ten auctions", `
SELECT seller, avg(final) OVER (PARTITION BY seller ORDER BY closed, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS average
FROM (SELECT a.id, a.seller, b.price AS final, b."dateTime" AS closed,
             row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b."dateTime", b.bidder) AS place
      FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b."dateTime" >= a."dateTime" AND b."dateTime" <= a.expires) best
WHERE place = 1`},
		{"q8", "new users who sell in the same window", `
SELECT p.id, p.name, p.starttime
FROM (SELECT DISTINCT id, name, time_bucket(INTERVAL 10 SECONDS, "dateTime") AS starttime FROM person) p
JOIN (SELECT DISTINCT seller, time_bucket(INTERVAL 10 SECONDS, "dateTime") AS starttime FROM auction) a
  ON p.id = a.seller AND p.starttime = a.starttime`},
		{"q14", "computed columns of some bids", `
SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price,
       CASE WHEN hour("dateTime") >= 8 AND hour("dateTime") <= 18 THEN 'dayTime'
            WHEN hour("dateTime") <= 6 OR hour("dateTime") >= 20 THEN 'nightTime'
            ELSE 'otherTime' END AS bidTimeType,
       "dateTime", extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000`},
		{"q15", "statistics of bids, bidders and auctions by day", `
SELECT strftime("dateTime", '%Y-%m-%d') AS day, count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid GROUP BY strftime("dateTime", '%Y-%m-%d')`},
		{"q16", "statistics of bids, bidders and auctions by channel and day", `
SELECT channel, strftime("dateTime", '%Y-%m-%d') AS day, max(strftime("dateTime", '%H:%M')) AS minute, count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
FROM bid GROUP BY channel, strftime("dateTime", '%Y-%m-%d')`},
		{"q17", "statistics of bids by auction and day", `
SELECT auction, CAST("dateTime" AS DATE) AS day, count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
       min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
FROM bid GROUP BY auction, CAST("dateTime" AS DATE)`},
		{"q18", "latest bid by bidder and auction", `
SELECT auction, bidder, price, channel, url, "dateTime", extra
FROM (SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY "dateTime" DESC, price DESC, extra) AS place FROM bid) latest
WHERE place <= 1`},
		{"q19", "the ten highest bids of each auction", `
SELECT *
FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, "dateTime", bidder, extra) AS place FROM bid) highest
WHERE place <= 10`},
		{"q20", "bids with their auctions, of a category", `
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b."dateTime" AS bid_time, b.extra AS bid_extra,
       a."itemName", a.description, a."initialBid", a.reserve, a."dateTime" AS auction_time, a.expires, a.seller, a.category, a.extra AS auction_extra
FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10`},
		{"q22", "directories of the bids' URLs", `
SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid`},
	}
}

// Find returns the query of a name.
func Find(name string) (Query, bool) {
	for _, q := range Queries() {
		if q.Name == strings.ToLower(name) {
			return q, true
		}
	}
	return Query{}, false
}
