package nexmark

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

// The shape of the model.
const (
	// EpochEvents is the number of events after which the pattern of kinds repeats: persons, then auctions, then bids.
	EpochEvents   = EpochPersons + EpochAuctions + EpochBids
	EpochPersons  = 1
	EpochAuctions = 3
	EpochBids     = 46

	firstPerson   = 1000
	firstAuction  = 1000
	firstCategory = 10
	categories    = 5

	// hotBlock is the number of persons or auctions that share a hot one.
	hotBlock = 100
	// activePersons and activeAuctions are the last that events refer to, ahead those that do not exist yet.
	activePersons  = 1000
	activeAuctions = 100
	ahead          = 10

	// channels is the number of channels besides the hot ones.
	channels = 10_000

	// Rows are padded to these sizes on average; a bid's channel and URL come on top, as in the reference.
	personBytes  = 200
	auctionBytes = 500
	bidBytes     = 100
)

// DefaultRate is the number of events in a second of event time unless a Config says otherwise.
const DefaultRate = 10_000

// outOfOrderStep permutes the events of a group; it is a prime number.
const outOfOrderStep = 953

// Config chooses a set of events; the zero value is the usual one.
type Config struct {
	Seed uint64
	// Rate is the number of events in a second of event time (DefaultRate).
	Rate uint64
	// OutOfOrderGroup is the number of events that are shuffled among themselves; 0 and 1 keep events ordered by time. It must not be a
	// multiple of 953.
	OutOfOrderGroup uint64
}

// Kind is the kind of an event.
type Kind uint8

// The kinds.
const (
	Person Kind = iota
	Auction
	Bid
)

// Generator makes events; see the package's doc.
type Generator struct {
	config   Config
	base     int64 // time of event 0 in milliseconds since 1970
	channels []channel
}

// channel is where bids come from.
type channel struct{ name, url string }

// New returns the generator of a set of events.
func New(c Config) (*Generator, error) {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.OutOfOrderGroup == 0 {
		c.OutOfOrderGroup = 1
	}
	if c.OutOfOrderGroup%outOfOrderStep == 0 {
		return nil, fmt.Errorf("the group of shuffled events is %d, a multiple of %d", c.OutOfOrderGroup, outOfOrderStep)
	}
	g := &Generator{config: c, base: time.Date(2015, 7, 15, 0, 0, 0, 0, time.UTC).UnixMilli()}
	g.channels = makeChannels(c.Seed)
	return g, nil
}

// hotChannels are the names of the channels that half of the bids come from.
func hotChannels() []string { return []string{"Google", "Facebook", "Baidu", "Apple"} }

// makeChannels returns the numbered channels, then the hot ones.
func makeChannels(seed uint64) []channel {
	out := make([]channel, 0, channels+4)
	for k := range uint64(channels) {
		r := randomOf(seed^0xc3a5c85c97cb3127, k)
		url := appendURL(nil, &r)
		if r.below(10) > 0 {
			url = strconv.AppendUint(append(url, "&channel_id="...), r.below(1<<31), 10)
		}
		out = append(out, channel{"channel-" + strconv.FormatUint(k, 10), string(url)})
	}
	for i, name := range hotChannels() {
		r := randomOf(seed^0xc3a5c85c97cb3127, channels+uint64(i))
		out = append(out, channel{name, string(appendURL(nil, &r))})
	}
	return out
}

func appendURL(dst []byte, r *random) []byte {
	dst = append(dst, "https://auction.example.com/"...)
	for range 3 {
		dst = append(r.appendWord(dst, 5, '_'), '/')
	}
	return append(dst, "item.htm?query=1"...)
}

// KindOf is the kind of event number n.
func KindOf(n uint64) Kind {
	switch at := n % EpochEvents; {
	case at < EpochPersons:
		return Person
	case at < EpochPersons+EpochAuctions:
		return Auction
	}
	return Bid
}

// Number is the number of the event that arrives at a position: the position itself, unless events are shuffled.
func (g *Generator) Number(position uint64) uint64 {
	size := g.config.OutOfOrderGroup
	return position/size*size + position%size*outOfOrderStep%size
}

// millis is the time of an event in milliseconds since 1970.
func (g *Generator) millis(n uint64) int64 {
	seconds, rest := n/g.config.Rate, n%g.config.Rate
	return g.base + int64(seconds*1000+rest*1000/g.config.Rate)
}

// lastPerson is the number of the last person born when event n happens, from 0.
func lastPerson(n uint64) int64 { return int64(n / EpochEvents) }

// lastAuction is the number of the last auction opened when event n happens, from 0; -1 if there is none.
func lastAuction(n uint64) int64 {
	epoch, at := int64(n/EpochEvents), int64(n%EpochEvents)
	if at < EpochPersons {
		return epoch*EpochAuctions - 1
	}
	return epoch*EpochAuctions + min(at-EpochPersons, EpochAuctions-1)
}

// anyPerson is one of the active persons, or one that is soon born.
func anyPerson(n uint64, r *random) int64 {
	born := lastPerson(n) + 1
	active := min(born, activePersons)
	return born - active + int64(r.below(uint64(active+ahead)))
}

// anyAuction is one of the active auctions, or one that is soon opened.
func anyAuction(n uint64, r *random) int64 {
	last := max(lastAuction(n), 0)
	first := max(last-activeAuctions, 0)
	return first + int64(r.below(uint64(last-first+1+ahead)))
}

func price(r *random) int64 { return int64(math.Round(100 * math.Pow(10, 6*r.unit()))) }

// Events are the rows of a range of events by stream; a batch without rows has its columns.
type Events struct {
	Persons, Auctions, Bids *row.Batch
}

// Len is the number of events.
func (e *Events) Len() int { return e.Persons.Len + e.Auctions.Len + e.Bids.Len }

// Generate returns the events that arrive at the positions from lo up to hi, in this order within each stream.
func (g *Generator) Generate(lo, hi uint64) *Events {
	epochs := int(hi-lo)/EpochEvents + 2
	w := writer{g: g}
	w.persons = row.NewBatchBuilder(Persons().Types(), epochs*EpochPersons)
	w.auctions = row.NewBatchBuilder(Auctions().Types(), epochs*EpochAuctions)
	w.bids = row.NewBatchBuilder(Bids().Types(), epochs*EpochBids)
	for position := lo; position < hi; position++ {
		n := g.Number(position)
		r := randomOf(g.config.Seed, n)
		switch KindOf(n) {
		case Person:
			w.person(n, &r)
		case Auction:
			w.auction(n, &r)
		default:
			w.bid(n, &r)
		}
	}
	return &Events{w.persons.Finish(w.persons.Cols[0].Len()), w.auctions.Finish(w.auctions.Cols[0].Len()), w.bids.Finish(w.bids.Cols[0].Len())}
}
