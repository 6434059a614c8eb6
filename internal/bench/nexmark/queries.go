package nexmark

import (
	"slices"
	"strconv"
	"strings"
)

// Query is a query of the benchmark. Its text means the same to Tidemill and to DuckDB, and where SQL leaves the choice among equal rows, the
// number of the event decides, so that there is one answer.
type Query struct {
	// Name is q and a number.
	Name string
	// About says in a few words what it does.
	About string
	SQL   string
	// Setup are the statements that make what the query reads besides the streams.
	Setup []string
}

// Queries are the queries, in order.
func Queries() []Query {
	all := slices.Concat(rowQueries(), joinQueries(), windowQueries(), statistics(), topQueries())
	slices.SortFunc(all, func(a, b Query) int { return number(a) - number(b) })
	return all
}

func number(q Query) int {
	n, _ := strconv.Atoi(q.Name[1:])
	return n
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

// rowQueries look at one bid at a time.
func rowQueries() []Query {
	return []Query{
		{Name: "q0", About: "every bid", SQL: `SELECT auction, bidder, price, "dateTime", extra FROM bid`},
		{Name: "q1", About: "every bid, price in euros", SQL: `SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price, "dateTime", extra FROM bid`},
		{Name: "q2", About: "bids on some auctions", SQL: `SELECT auction, price FROM bid WHERE auction % 123 = 0`},
		{Name: "q10", About: "every bid, with the day and minute that the reference names files after", SQL: `
SELECT auction, bidder, price, "dateTime", extra, strftime("dateTime", '%Y-%m-%d') AS day, strftime("dateTime", '%H:%M') AS minute FROM bid`},
		{Name: "q14", About: "computed columns of some bids", SQL: `
SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price,
       CASE WHEN hour("dateTime") >= 8 AND hour("dateTime") <= 18 THEN 'dayTime'
            WHEN hour("dateTime") <= 6 OR hour("dateTime") >= 20 THEN 'nightTime'
            ELSE 'otherTime' END AS bidTimeType,
       "dateTime", extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000`},
		{Name: "q21", About: "bids with the IDs of their channels", SQL: `
SELECT auction, bidder, price, channel,
       CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
            ELSE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
FROM bid
WHERE lower(channel) IN ('apple', 'google', 'facebook', 'baidu') OR regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) <> ''`},
		{Name: "q22", About: "directories of the bids' URLs", SQL: `
SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid`},
	}
}

// joinQueries join streams, or a stream with a table.
func joinQueries() []Query {
	return []Query{
		{Name: "q3", About: "sellers of a category in three states", SQL: `
SELECT p.name, p.city, p.state, a.id
FROM auction a JOIN person p ON a.seller = p.id
WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA')`},
		{Name: "q4", About: "average closing price by category", SQL: `
SELECT category, avg(final) AS average
FROM (SELECT a.id, a.category, max(b.price) AS final
      FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b."dateTime" >= a."dateTime" AND b."dateTime" <= a.expires
      GROUP BY a.id, a.category) closed
GROUP BY category`},
		{Name: "q13", About: "bids with the rows of a table", SQL: `
SELECT b.auction, b.bidder, b.price, b."dateTime", s.value FROM bid b JOIN side s ON b.auction % 10000 = s.key`,
			Setup: []string{
				`CREATE TABLE side (key BIGINT PRIMARY KEY, value VARCHAR)`,
				`INSERT INTO side SELECT range, 'side ' || range FROM range(10000)`,
			}},
		{Name: "q20", About: "bids with their auctions, of a category", SQL: `
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b."dateTime" AS bid_time, b.extra AS bid_extra,
       a."itemName", a.description, a."initialBid", a.reserve, a."dateTime" AS auction_time, a.expires, a.seller, a.category, a.extra AS auction_extra
FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10`},
	}
}

// windowQueries divide time into windows.
func windowQueries() []Query {
	return []Query{
		{Name: "q5", About: "auctions with the most bids in hopping windows", SQL: `
SELECT n.auction, n.bids, n.window_start, n.window_end
FROM (SELECT auction, window_start, window_end, count(*) AS bids
      FROM hop('bid', "dateTime", INTERVAL 2 SECONDS, INTERVAL 10 SECONDS) GROUP BY auction, window_start, window_end) n
JOIN (SELECT window_start, max(bids) AS most
      FROM (SELECT auction, window_start, count(*) AS bids
            FROM hop('bid', "dateTime", INTERVAL 2 SECONDS, INTERVAL 10 SECONDS) GROUP BY auction, window_start) counts
      GROUP BY window_start) m
  ON n.window_start = m.window_start AND n.bids = m.most`},
		{Name: "q7", About: "highest bids of tumbling windows", SQL: `
SELECT b.auction, b.bidder, b.price, b."dateTime", b.extra
FROM bid b
JOIN (SELECT max(price) AS highest, window_end
      FROM tumble('bid', "dateTime", INTERVAL 10 SECONDS) GROUP BY window_end) w
  ON b.price = w.highest
WHERE b."dateTime" BETWEEN w.window_end - INTERVAL 10 SECONDS AND w.window_end`},
		{Name: "q8", About: "new users who sell in the same window", SQL: `
SELECT p.id, p.name, p.window_start
FROM (SELECT DISTINCT id, name, window_start FROM tumble('person', "dateTime", INTERVAL 10 SECONDS)) p
JOIN (SELECT DISTINCT seller, window_start FROM tumble('auction', "dateTime", INTERVAL 10 SECONDS)) a
  ON p.id = a.seller AND p.window_start = a.window_start`},
		{Name: "q11", About: "bids of bidders' sessions", SQL: `
SELECT bidder, count(*) AS bids, window_start, window_end + INTERVAL 10 SECONDS AS window_end
FROM session('bid', "dateTime", INTERVAL 10 SECONDS, bidder) GROUP BY bidder, window_start, window_end`},
		{Name: "q12", About: "bids of bidders in tumbling windows", SQL: `
SELECT bidder, count(*) AS bids, window_start, window_end
FROM tumble('bid', "dateTime", INTERVAL 10 SECONDS) GROUP BY bidder, window_start, window_end`},
	}
}

// statistics group bids by day.
func statistics() []Query {
	const ranks = `count(*) AS total_bids,
       count(*) FILTER (WHERE price < 10000) AS rank1_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3_bids`
	const distinct = ranks + `,
       count(DISTINCT bidder) AS total_bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
       count(DISTINCT auction) AS total_auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions`
	return []Query{
		{Name: "q15", About: "statistics of bids, bidders and auctions by day", SQL: `
SELECT strftime("dateTime", '%Y-%m-%d') AS day, ` + distinct + `
FROM bid GROUP BY strftime("dateTime", '%Y-%m-%d')`},
		{Name: "q16", About: "statistics of bids, bidders and auctions by channel and day", SQL: `
SELECT channel, strftime("dateTime", '%Y-%m-%d') AS day, max(strftime("dateTime", '%H:%M')) AS minute, ` + distinct + `
FROM bid GROUP BY channel, strftime("dateTime", '%Y-%m-%d')`},
		{Name: "q17", About: "statistics of bids by auction and day", SQL: `
SELECT auction, CAST("dateTime" AS DATE) AS day, ` + ranks + `,
       min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
FROM bid GROUP BY auction, CAST("dateTime" AS DATE)`},
	}
}

// topQueries keep the first rows of an order.
func topQueries() []Query {
	return []Query{
		{Name: "q6", About: "average closing price of a seller's last auctions", SQL: `
SELECT seller, avg(final) OVER (PARTITION BY seller ORDER BY closed, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS average
FROM (SELECT a.id, a.seller, b.price AS final, b."dateTime" AS closed,
             row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b."dateTime", b.seq) AS place
      FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b."dateTime" >= a."dateTime" AND b."dateTime" <= a.expires) best
WHERE place = 1`},
		{Name: "q9", About: "auctions with their winning bids", SQL: `
SELECT * EXCLUDE (place)
FROM (SELECT a.id, a."itemName", a.description, a."initialBid", a.reserve, a."dateTime", a.expires, a.seller, a.category, a.extra,
             b.auction, b.bidder, b.price, b."dateTime" AS bid_time, b.extra AS bid_extra,
             row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b."dateTime", b.seq) AS place
      FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b."dateTime" >= a."dateTime" AND b."dateTime" <= a.expires) best
WHERE place = 1`},
		{Name: "q18", About: "latest bid by bidder and auction", SQL: `
SELECT auction, bidder, price, channel, url, "dateTime", extra
FROM (SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY "dateTime" DESC, seq DESC) AS place FROM bid) latest
WHERE place <= 1`},
		{Name: "q19", About: "the ten highest bids of each auction", SQL: `
SELECT * EXCLUDE (seq)
FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, seq) AS place FROM bid) highest
WHERE place <= 10`},
	}
}
