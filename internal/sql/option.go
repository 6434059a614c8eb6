package sql

import "strings"

// ValueKind says how the value of an option was written.
type ValueKind uint8

// The forms of a value.
const (
	NullValue   ValueKind = iota // NULL
	BoolValue                    // TRUE or FALSE, in an option also ON and OFF
	NumberValue                  // a number with an optional sign
	StringValue                  // a string of any form
	WordValue                    // an identifier
	IntervalValue
	ParamValue // $1, the Value being the number
)

// Option is one key = value of a WITH clause.
type Option struct {
	// Key is lower-case, with its dots.
	Key string
	// Value is the text of a string, "true" or "false", the digits of a number, the name of an
	// identifier as it was written, the text of an interval ('7 days', 7 days).
	Value string
	Kind  ValueKind
	// Pos and ValuePos are the byte offsets of key and value.
	Pos, ValuePos int
}

// Options are the options of a statement, in the order they were written, each key at most once.
type Options []Option

// Get returns the option with a lower-case key.
func (o Options) Get(key string) (Option, bool) {
	for _, x := range o {
		if x.Key == key {
			return x, true
		}
	}
	return Option{}, false
}

const optionHint = "Options are written as WITH (key = 'value', …)."

// withOptions takes WITH (…) if it stands here.
func (p *parser) withOptions() Options {
	if !p.accept("WITH") {
		return nil
	}
	return p.options()
}

// options takes a list of options in parentheses.
func (p *parser) options() Options {
	var o Options
	seen := make(map[string]bool)
	p.list(true, func() {
		x := p.option()
		if p.err == nil && seen[x.Key] {
			p.fail(x.Pos, codeSyntax, "option %q is given more than once", x.Key)
		}
		seen[x.Key] = true
		o = append(o, x)
	})
	return o
}

// optionKeys takes the names of options in parentheses.
func (p *parser) optionKeys() Options {
	var o Options
	if !p.isPunct("(") {
		p.unexpected(`"("`).hint("Write RESET (key, …).")
		return nil
	}
	p.list(true, func() {
		x := Option{Pos: p.tok.start, Key: p.optionKey()}
		if _, seen := o.Get(x.Key); seen && p.err == nil {
			p.fail(x.Pos, codeSyntax, "option %q is given more than once", x.Key)
		}
		o = append(o, x)
	})
	return o
}

func (p *parser) option() Option {
	o := Option{Pos: p.tok.start, Key: p.optionKey()}
	if !p.isPunct("=") {
		near := p.word()
		e := p.unexpected(`"="`).hint("%s", optionHint)
		if near == "," || near == ")" {
			e.hint("An option has a value; write for example %s = true.", o.Key)
		}
		return o
	}
	p.advance()
	o.ValuePos = p.tok.start
	o.Value, o.Kind = p.optionValue()
	return o
}

func (p *parser) optionKey() string {
	pos := p.tok.start
	var key string
	switch p.tok.kind {
	case str:
		key = p.stringLiteral("the name of an option")
	case word, quoted:
		key = p.dotted("the name of an option")
	default:
		p.unexpected("the name of an option").hint("%s", optionHint)
		return ""
	}
	if p.err == nil && (key == "" || len(key) > maxName) {
		p.fail(pos, codeNameTooLong, "the name of an option has 1 to %d bytes, not %d", maxName, len(key))
	}
	return Normalize(key)
}

// optionValue takes a literal.
func (p *parser) optionValue() (string, ValueKind) {
	switch {
	case p.tok.kind == str:
		return p.stringLiteral("a value"), StringValue
	case p.tok.kind == number || p.isPunct("-") || p.isPunct("+"):
		return p.signedNumber(), NumberValue
	case p.tok.kind == param:
		p.fail(p.tok.start, codeUnsupported, "a parameter cannot be the value of an option").hint("Write the value itself.")
		return "", NullValue
	case p.isPunct("(") || p.isPunct("[") || p.isPunct("{"):
		p.unexpected("a value").hint("Write a list as one text: 'a, b'.")
		return "", NullValue
	case p.tok.kind != word && p.tok.kind != quoted:
		p.unexpected("a value").hint("%s", optionHint)
		return "", NullValue
	case p.is("NULL", "DEFAULT"):
		p.fail(p.tok.start, codeSyntax, "an option cannot be %s", strings.ToUpper(p.word())).hint("Leave the option out to get its default.")
		return "", NullValue
	case p.is("TRUE", "ON"):
		p.advance()
		return "true", BoolValue
	case p.is("FALSE", "OFF"):
		p.advance()
		return "false", BoolValue
	case p.is("INTERVAL") && !p.nextIs(",") && !p.nextIs(")"):
		return p.interval(), IntervalValue
	}
	return p.dotted("a value"), WordValue
}

// signedNumber takes a number with an optional sign and returns it without underscores and plus.
func (p *parser) signedNumber() string {
	sign := ""
	if p.acceptPunct("-") {
		sign = "-"
	} else {
		p.acceptPunct("+")
	}
	if p.tok.kind != number {
		p.unexpected("a number")
		return ""
	}
	v := sign + strings.ReplaceAll(p.word(), "_", "")
	end := p.tok.end
	p.advance()
	if p.tok.kind == word && p.err == nil {
		near := p.word()
		e := p.unexpected(`"," or ")"`)
		if p.tok.start != end {
			e.hint("A number with a unit is written in single quotes: '%s %s'.", v, near)
		}
	}
	return v
}

// interval takes INTERVAL '7 days', INTERVAL '7' DAYS or INTERVAL 7 DAYS.
func (p *parser) interval() string {
	p.advance()
	var v string
	bare := p.tok.kind == number
	switch {
	case bare:
		v = strings.ReplaceAll(p.word(), "_", "")
		p.advance()
	default:
		v = p.stringLiteral("an interval such as INTERVAL '7 days'")
	}
	if p.is(intervalUnits()...) {
		v += " " + p.word()
		p.advance()
	} else if bare {
		p.unexpected("a unit of time", intervalUnits()...)
	}
	return v
}

func intervalUnits() []string {
	return []string{"YEAR", "YEARS", "MONTH", "MONTHS", "DAY", "DAYS", "HOUR", "HOURS", "MINUTE", "MINUTES",
		"SECOND", "SECONDS", "MILLISECOND", "MILLISECONDS", "MICROSECOND", "MICROSECONDS", "WEEK", "WEEKS",
		"QUARTER", "QUARTERS", "DECADE", "DECADES", "CENTURY", "CENTURIES", "MILLENNIUM", "MILLENNIA"}
}
