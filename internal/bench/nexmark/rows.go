package nexmark

import (
	"strconv"

	"github.com/tidemill/tidemill/internal/row"
)

func column(name string, k row.Kind) row.Column { return row.Column{Name: name, Type: row.T(k)} }

// Persons is the schema of the stream person.
func Persons() row.Schema {
	return row.Schema{column("id", row.Int64), column("name", row.String), column("emailAddress", row.String), column("creditCard", row.String),
		column("city", row.String), column("state", row.String), column("dateTime", row.Timestamp), column("extra", row.String), column("seq", row.Int64)}
}

// Auctions is the schema of the stream auction.
func Auctions() row.Schema {
	return row.Schema{column("id", row.Int64), column("itemName", row.String), column("description", row.String), column("initialBid", row.Int64),
		column("reserve", row.Int64), column("dateTime", row.Timestamp), column("expires", row.Timestamp), column("seller", row.Int64),
		column("category", row.Int64), column("extra", row.String), column("seq", row.Int64)}
}

// Bids is the schema of the stream bid.
func Bids() row.Schema {
	return row.Schema{column("auction", row.Int64), column("bidder", row.Int64), column("price", row.Int64), column("channel", row.String),
		column("url", row.String), column("dateTime", row.Timestamp), column("extra", row.String), column("seq", row.Int64)}
}

// The words persons are made of.
const (
	firstNames = "Ada\x00Bruno\x00Clara\x00Dario\x00Elif\x00Farid\x00Greta\x00Hugo\x00Ines\x00Jonas\x00Keiko\x00"
	lastNames  = "Arnold\x00Brandt\x00Costa\x00Dubois\x00Eriksen\x00Fontana\x00Ganz\x00Huber\x00Ivanov\x00"
	cities     = "Phoenix\x00Tucson\x00Fresno\x00Oakland\x00Boise\x00Portland\x00Salem\x00Seattle\x00Spokane\x00Casper\x00"
	states     = "AZ\x00CA\x00ID\x00OR\x00WA\x00WY\x00"
)

// appendPick appends one of count words that end in zero bytes.
func appendPick(dst []byte, words string, count int, r *random) []byte {
	for skip := r.below(uint64(count)); skip > 0; skip-- {
		for words[0] != 0 {
			words = words[1:]
		}
		words = words[1:]
	}
	for words[0] != 0 {
		dst = append(dst, words[0])
		words = words[1:]
	}
	return dst
}

// writer appends events to the columns of their streams.
type writer struct {
	g                       *Generator
	persons, auctions, bids *row.BatchBuilder
	buf                     []byte
}

// text appends what fill makes to a column and returns its length.
func (w *writer) text(b *row.Builder, fill func([]byte) []byte) int {
	w.buf = fill(w.buf[:0])
	b.AppendBytes(w.buf)
	return len(w.buf)
}

func (w *writer) person(n uint64, r *random) {
	c := w.persons.Cols
	c[0].AppendInt(firstPerson + lastPerson(n))
	size := 8
	size += w.text(&c[1], func(b []byte) []byte {
		return appendPick(append(appendPick(b, firstNames, 11, r), ' '), lastNames, 9, r)
	})
	size += w.text(&c[2], func(b []byte) []byte {
		return append(r.appendWord(append(r.appendWord(b, 7, ' '), '@'), 5, ' '), ".com"...)
	})
	size += w.text(&c[3], func(b []byte) []byte { return appendCard(b, r) })
	size += w.text(&c[4], func(b []byte) []byte { return appendPick(b, cities, 10, r) })
	size += w.text(&c[5], func(b []byte) []byte { return appendPick(b, states, 6, r) })
	c[6].AppendInt(w.g.millis(n) * 1000)
	w.text(&c[7], func(b []byte) []byte { return r.appendPad(b, size, personBytes) })
	c[8].AppendInt(int64(n))
}

// appendCard appends four groups of four digits.
func appendCard(dst []byte, r *random) []byte {
	for i := range 4 {
		if i > 0 {
			dst = append(dst, ' ')
		}
		d := r.below(10000)
		dst = append(dst, '0'+byte(d/1000), '0'+byte(d/100%10), '0'+byte(d/10%10), '0'+byte(d%10))
	}
	return dst
}

func (w *writer) auction(n uint64, r *random) {
	c := w.auctions.Cols
	c[0].AppendInt(firstAuction + lastAuction(n))
	size := 8 + w.text(&c[1], func(b []byte) []byte { return r.appendWord(b, 20, ' ') })
	size += w.text(&c[2], func(b []byte) []byte { return r.appendWord(b, 100, ' ') })
	initial := price(r)
	c[3].AppendInt(initial)
	c[4].AppendInt(initial + price(r))
	c[5].AppendInt(w.g.millis(n) * 1000)
	// An auction lasts about as long as it takes until as many auctions as are active have been opened after it.
	horizon := w.g.millis(n+activeAuctions*EpochEvents/EpochAuctions) - w.g.millis(n)
	c[6].AppendInt((w.g.millis(n) + 1 + int64(r.below(uint64(max(2*horizon, 1))))) * 1000)
	seller := lastPerson(n) / hotBlock * hotBlock
	if r.below(4) == 0 {
		seller = anyPerson(n, r)
	}
	c[7].AppendInt(firstPerson + seller)
	c[8].AppendInt(firstCategory + int64(r.below(categories)))
	w.text(&c[9], func(b []byte) []byte { return r.appendPad(b, size+5*8, auctionBytes) })
	c[10].AppendInt(int64(n))
}

func (w *writer) bid(n uint64, r *random) {
	c := w.bids.Cols
	auction := lastAuction(n) / hotBlock * hotBlock
	if r.below(2) == 0 {
		auction = anyAuction(n, r)
	}
	bidder := lastPerson(n)/hotBlock*hotBlock + 1
	if r.below(4) == 0 {
		bidder = anyPerson(n, r)
	}
	c[0].AppendInt(firstAuction + auction)
	c[1].AppendInt(firstPerson + bidder)
	c[2].AppendInt(price(r))
	k := r.below(channels)
	if hot := r.next(); hot&1 == 0 {
		k = channels + hot>>1&3
	}
	c[3].AppendString(w.g.channels[k].name)
	c[4].AppendString(w.g.channels[k].url)
	c[5].AppendInt(w.g.millis(n) * 1000)
	w.text(&c[6], func(b []byte) []byte { return r.appendPad(b, 4*8, bidBytes) })
	c[7].AppendInt(int64(n))
}

// CreateStreams are the statements that make the streams of a set of events, in the order person, auction, bid.
func CreateStreams() []string {
	return []string{createStream("person", Persons()), createStream("auction", Auctions()), createStream("bid", Bids())}
}

func createStream(name string, s row.Schema) string {
	text := "CREATE STREAM " + name + " ("
	for i, c := range s {
		if i > 0 {
			text += ", "
		}
		text += strconv.Quote(c.Name) + " " + c.Type.String()
	}
	return text + ")"
}
