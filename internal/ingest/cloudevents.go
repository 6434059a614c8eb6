package ingest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// dataName is the column that takes a CloudEvent's data which is no object.
const dataName = "data"

// cloudAttribute is a context attribute of a CloudEvent.
type cloudAttribute struct {
	name  string
	field jsonWalker
}

// cloudEvent reads a CloudEvent in structured form: its data's fields go into the columns of their names, its attributes into those of theirs that the data
// has not filled. Attributes without a column are left out.
func (r *jsonReader) cloudEvent(v []byte) *problem {
	r.attrs = r.attrs[:0]
	var data, data64 *jsonWalker
	w := jsonWalker{text: v}
	for w.next() {
		name, ok := w.unquoteName(r.name[:0])
		if r.name = name; !ok {
			return badName()
		}
		if len(r.attrs) > attributesMax {
			return &problem{code: codeMalformed, message: fmt.Sprintf("a CloudEvent has at most %d attributes", attributesMax)}
		}
		for i := range r.attrs {
			if r.attrs[i].name == string(name) {
				return &problem{code: codeDuplicateColumn, column: clip(name), message: fmt.Sprintf("the CloudEvent has %q more than once", clip(name))}
			}
		}
		r.attrs = append(r.attrs, cloudAttribute{attributeName(name), w})
	}
	for i := range r.attrs {
		switch a := &r.attrs[i]; a.name {
		case "data":
			data = &a.field
		case "data_base64":
			data64 = &a.field
		}
	}
	if p := r.identify(); p != nil {
		return p
	}
	if data != nil && data64 != nil {
		return &problem{code: codeMalformed, column: dataName, message: "the CloudEvent has both data and data_base64"}
	}
	var p *problem
	if data64 != nil {
		p = r.data64(data64)
	} else if data != nil {
		p = r.data(data)
	}
	if p != nil {
		return p
	}
	return r.attributes()
}

// attributesMax bounds the attributes of a CloudEvent.
const attributesMax = 256

// attributeName returns the name, without allocating for those of the standard.
func attributeName(name []byte) string {
	switch string(name) {
	case "id":
		return "id"
	case "source":
		return "source"
	case "type":
		return "type"
	case "specversion":
		return "specversion"
	case "subject":
		return "subject"
	case "time":
		return "time"
	case "datacontenttype":
		return "datacontenttype"
	case "dataschema":
		return "dataschema"
	case "data":
		return "data"
	case "data_base64":
		return "data_base64"
	}
	return string(name)
}

// identify checks the attributes every CloudEvent has, and sets the event's identity: source and id, joined by a character that neither can
// have.
func (r *jsonReader) identify() *problem {
	identity := r.name[:0]
	for _, name := range [...]string{"specversion", "type", "source", "id"} {
		text, ok := r.attribute(name)
		if !ok || len(text) == 0 {
			return &problem{code: codeMalformed, column: name, message: fmt.Sprintf("the CloudEvent has no %q", name)}
		}
		switch name {
		case "specversion":
			if !bytes.HasPrefix(text, []byte("1.")) {
				return &problem{code: codeMalformed, column: name, message: fmt.Sprintf("CloudEvents of version %q are not taken, only 1.0", clip(text))}
			}
		case "source":
			identity = append(append(identity, text...), 0)
		case "id":
			identity = append(identity, text...)
		}
	}
	r.name = identity
	r.s.id = string(identity)
	return nil
}

// attribute returns the text of an attribute, which is valid until the next call; ok is false if it is missing or no text.
func (r *jsonReader) attribute(name string) (text []byte, ok bool) {
	for i := range r.attrs {
		if a := &r.attrs[i]; a.name == name {
			if a.field.kind != jsonString {
				return nil, false
			}
			r.s.scratch, ok = a.field.unquote(r.s.scratch[:0])
			return r.s.scratch, ok
		}
	}
	return nil, false
}

// data puts a CloudEvent's data: the fields of an object, or anything else as a whole.
func (r *jsonReader) data(w *jsonWalker) *problem {
	switch w.kind {
	case jsonNull:
		return nil
	case jsonNested:
		if w.value[0] == '{' {
			return r.object(w.value)
		}
	}
	column := r.s.column([]byte(dataName))
	if column < 0 {
		return &problem{code: codeMalformed, column: dataName, message: "the CloudEvent's data is not an object, and there is no column \"data\""}
	}
	return r.put(column, w)
}

func (r *jsonReader) data64(w *jsonWalker) *problem {
	bad := func(why string) *problem {
		return &problem{code: codeMalformed, column: dataName, message: "the CloudEvent's data_base64 " + why}
	}
	if kind, ok := r.attribute("datacontenttype"); ok && !isJSONType(string(kind)) {
		return bad("is not JSON, but " + clip(kind))
	}
	text, ok := w.unquote(nil)
	if w.kind != jsonString || !ok {
		return bad("is not text")
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return bad("is not base64")
	}
	return r.rawData(raw, bad)
}

// rawData puts data that has not been checked.
func (r *jsonReader) rawData(raw []byte, bad func(string) *problem) *problem {
	raw = bytes.Trim(raw, " \t\r\n")
	if len(raw) == 0 {
		return nil
	}
	if !jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true)) {
		return bad("is not valid JSON")
	}
	// The text has not been part of the body that was looked at.
	w := jsonWalker{text: append(append([]byte(`{"":`), raw...), '}')}
	w.next()
	return r.data(&w)
}

// attributes puts the attributes into their columns that have no value yet.
func (r *jsonReader) attributes() *problem {
	for i := range r.attrs {
		a := &r.attrs[i]
		if a.name == "data" || a.name == "data_base64" {
			continue
		}
		column := r.s.column([]byte(a.name))
		if column < 0 || r.s.has(column) {
			continue
		}
		if p := r.put(column, &a.field); p != nil {
			return p
		}
	}
	return nil
}

func isJSONType(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == typeJSON || media == "text/json" || strings.HasSuffix(media, "+json"))
}

// decodeBinaryCloudEvent reads a CloudEvent whose attributes came in headers; the body is its data, in JSON.
func decodeBinaryCloudEvent(body []byte, s *sink) error {
	r := newJSONReader(body, s)
	s.begin()
	return s.end(0, r.binary(), body)
}

func (r *jsonReader) binary() *problem {
	if p := r.s.tooLarge(len(r.body)); p != nil {
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(r.s.f.CloudEvent)) {
		text := r.s.f.CloudEvent[name]
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
		if !validText([]byte(text)) {
			return &problem{code: codeMalformed, column: clip(name), message: "the CloudEvent's attribute has a NUL character or is not valid UTF-8"}
		}
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil {
			return &problem{code: codeMalformed, column: clip(name), message: "the CloudEvent's attribute is not text"}
		}
		w := jsonWalker{text: append(append([]byte(`{"":`), quoted...), '}')}
		w.next()
		r.attrs = append(r.attrs, cloudAttribute{name, w})
	}
	if p := r.identify(); p != nil {
		return p
	}
	p := r.rawData(r.body, func(why string) *problem {
		return &problem{code: codeMalformed, column: dataName, message: "the CloudEvent's data " + why}
	})
	if p != nil {
		return p
	}
	return r.attributes()
}
