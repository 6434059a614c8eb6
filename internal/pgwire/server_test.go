package pgwire

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

func openDatabase(t testing.TB) *session.Database {
	t.Helper()
	l := memlog.New(memlog.Options{})
	db, err := session.OpenDatabase(context.Background(), session.DatabaseOptions{Name: "main", Log: l, Logger: slog.New(slog.DiscardHandler), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		l.Close()
	})
	return db
}

// listen starts a server of the database main and returns its address.
func listen(t testing.TB, db *session.Database, o Options) (*Server, string) {
	t.Helper()
	if o.Database == nil {
		o.Database = func(name string) (*session.Database, error) {
			if name != "main" {
				return nil, fault.New(fault.InvalidDatabase, "no such database")
			}
			return db, nil
		}
	}
	o.Logger = slog.New(slog.DiscardHandler)
	s := New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("closing the server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return s, l.Addr().String()
}

// client is a Postgres client that sees every message.
type client struct {
	t  testing.TB
	nc net.Conn
	*pgproto3.Frontend
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, nc: nc, Frontend: pgproto3.NewFrontend(nc, nc)}
}

// connect is dial with a startup.
func connect(t testing.TB, address string) *client {
	t.Helper()
	c := dial(t, address)
	c.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ada", "database": "main"}})
	if got := c.answer(); !strings.HasSuffix(got, "K Z:I") {
		t.Fatalf("startup: %s", got)
	}
	return c
}

// ask sends messages and returns the answer.
func (c *client) ask(messages ...pgproto3.FrontendMessage) string {
	c.t.Helper()
	for _, m := range messages {
		c.Send(m)
	}
	return c.answer()
}

func (c *client) sql(text string) string {
	c.t.Helper()
	return c.ask(&pgproto3.Query{String: text})
}

// answer flushes and writes down the messages up to ReadyForQuery or the end, each by its letter and its content.
func (c *client) answer() string {
	c.t.Helper()
	if err := c.Flush(); err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for {
		m, err := c.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "reset") {
				return strings.Join(append(out, "end"), " ")
			}
			c.t.Fatalf("after %v: %v", out, err)
		}
		text := describeMessage(m)
		if text != "" {
			out = append(out, text)
		}
		if _, ready := m.(*pgproto3.ReadyForQuery); ready {
			return strings.Join(out, " ")
		}
	}
}

func describeMessage(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.ReadyForQuery:
		return "Z:" + string(m.TxStatus)
	case *pgproto3.ErrorResponse:
		return "E:" + m.Code
	case *pgproto3.NoticeResponse:
		return "N:" + m.Code
	case *pgproto3.CommandComplete:
		return "C:" + strings.ReplaceAll(string(m.CommandTag), " ", "_")
	case *pgproto3.RowDescription:
		var names []string
		for _, f := range m.Fields {
			names = append(names, fmt.Sprintf("%s/%d", f.Name, f.DataTypeOID))
		}
		return "T:" + strings.Join(names, ",")
	case *pgproto3.DataRow:
		var values []string
		for _, v := range m.Values {
			if v == nil {
				v = []byte("∅")
			}
			values = append(values, string(v))
		}
		return "D:" + strings.Join(values, ",")
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("t:%v", m.ParameterOIDs)
	case *pgproto3.ParameterStatus:
		return ""
	case *pgproto3.CopyData:
		return "d:" + string(m.Data)
	}
	raw, err := m.Encode(nil)
	if err != nil {
		return err.Error()
	}
	return string(raw[:1])
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStartup(t *testing.T) {
	db := openDatabase(t)
	_, address := listen(t, db, Options{MaxConnections: 2})
	c := dial(t, address)
	for _, m := range []pgproto3.FrontendMessage{&pgproto3.SSLRequest{}, &pgproto3.GSSEncRequest{}} {
		c.Send(m)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		if _, err := io.ReadFull(c.nc, b[:]); err != nil || b[0] != 'N' {
			t.Fatalf("%T: %c %v", m, b[0], err)
		}
	}
	c.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion32, Parameters: map[string]string{"user": "ada", "application_name": "test",
		"DateStyle": "ISO", "client_encoding": "'utf-8'", "plan_cache_mode": "auto", "options": `-c statement_timeout=5s --geqo=off -c search_path=a\ b`}})
	if got := c.answer(); !strings.Contains(got, "E:22023") {
		t.Errorf("a bad encoding: %s", got)
	}
	c = dial(t, address)
	c.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion32, Parameters: map[string]string{"user": "ada", "application_name": "test",
		"DateStyle": "ISO", "client_encoding": "utf-8", "plan_cache_mode": "auto", "options": `-c statement_timeout=5s --geqo=off -c search_path=a\ b`}})
	want(t, c.answer(), "R K Z:I")
	want(t, c.sql("SHOW statement_timeout; SHOW application_name; SHOW search_path"), "T:statement_timeout/1043 D:5s C:SHOW T:application_name/1043 D:test C:SHOW T:search_path/1043 D:a b C:SHOW Z:I")
	connect(t, address)

	startup := func(m *pgproto3.StartupMessage) string {
		c := dial(t, address)
		c.Send(m)
		return c.answer()
	}
	v3 := uint32(pgproto3.ProtocolVersion30)
	want(t, startup(&pgproto3.StartupMessage{ProtocolVersion: v3, Parameters: map[string]string{"user": "a", "database": "main"}}), "E:53300 end")
	want(t, startup(&pgproto3.StartupMessage{ProtocolVersion: v3, Parameters: map[string]string{"user": "a", "database": "b"}}), "E:3D000 end")
	want(t, startup(&pgproto3.StartupMessage{ProtocolVersion: 2 << 16, Parameters: map[string]string{"user": "a"}}), "E:0A000 end")
	want(t, startup(&pgproto3.StartupMessage{ProtocolVersion: v3, Parameters: map[string]string{"user": "a", "replication": "true"}}), "E:0A000 end")
	want(t, startup(&pgproto3.StartupMessage{ProtocolVersion: v3 + 9, Parameters: map[string]string{"user": "a", "database": "b", "_pq_.x": "1"}}), "v E:3D000 end")
}

func TestGarbageAtTheStart(t *testing.T) {
	_, address := listen(t, openDatabase(t), Options{StartupTimeout: 50 * time.Millisecond})
	f := func(data string) {
		t.Helper()
		c := dial(t, address)
		if _, err := c.nc.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c.nc); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%q: %v", data, err)
		}
	}
	f("GET / HTTP/1.1\r\n\r\n")
	f("\x00\x00\x00\x00")
	f("\xff\xff\xff\xff\x00\x03\x00\x00")
	f("\x00\x00\x00\x09\x00\x03\x00\x00a")
	f("\x00\x00\x00\x08\x00\x03\x00\x00")
	f("\x00\x00\x00\x50\x00\x03") // never goes on: the deadline ends it
	f("")
}

func TestPanicEndsTheConnectionOnly(t *testing.T) {
	db := openDatabase(t)
	_, address := listen(t, nil, Options{Database: func(name string) (*session.Database, error) {
		if name == "bad" {
			panic("on purpose")
		}
		return db, nil
	}})
	c := dial(t, address)
	c.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"database": "bad"}})
	want(t, c.answer(), "E:XX000 end")
	want(t, connect(t, address).sql("SHOW server_version"), "T:server_version/1043 D:16.0 C:SHOW Z:I")
}

func TestSettings(t *testing.T) {
	_, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	want(t, c.sql("SET application_name = 'x'; SHOW application_name"), "C:SET T:application_name/1043 D:x C:SHOW Z:I")
	want(t, c.sql("RESET application_name; SHOW application_name"), "C:RESET T:application_name/1043 D: C:SHOW Z:I")
	want(t, c.sql("SHOW nonsense"), "E:42704 Z:I")
	want(t, c.sql("SET nonsense = 1"), "E:42704 Z:I")
	want(t, c.sql("SET my.own = '7'; SHOW my.own; RESET my.own; SHOW my.own"), "C:SET T:my.own/1043 D:7 C:SHOW C:RESET E:42704 Z:I")
	want(t, c.sql("SET server_version = '1'"), "E:55P02 Z:I")
	want(t, c.sql("SET client_encoding TO 'LATIN1'"), "E:22023 Z:I")
	want(t, c.sql("SET NAMES 'UTF8'"), "C:SET Z:I")
	want(t, c.sql("SET datestyle = 'German'"), "E:22023 Z:I")
	want(t, c.sql("SET extra_float_digits = 3; SET standard_conforming_strings = on; SET statement_timeout = '2min'; SHOW statement_timeout"), "C:SET C:SET C:SET T:statement_timeout/1043 D:2min C:SHOW Z:I")
	want(t, c.sql("SET TIME ZONE 'Europe/Nowhere'"), "E:22023 Z:I")
	want(t, c.sql("SET TIME ZONE 'UTC'; SHOW TIME ZONE"), "C:SET T:TimeZone/1043 D:UTC C:SHOW Z:I")
	want(t, c.sql("SHOW TRANSACTION ISOLATION LEVEL"), "T:transaction_isolation/1043 D:serializable C:SHOW Z:I")
	want(t, c.sql("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"), "C:SET Z:I")
	want(t, c.sql("DISCARD ALL; SHOW statement_timeout"), "C:DISCARD_ALL T:statement_timeout/1043 D:0 C:SHOW Z:I")
	if got := c.sql("SHOW ALL"); !strings.Contains(got, "D:TimeZone,UTC,") || !strings.HasPrefix(got, "T:name/1043,setting/1043,description/1043 ") {
		t.Error(got)
	}
}

func TestSimpleProtocol(t *testing.T) {
	_, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	want(t, c.sql(""), "I Z:I")
	want(t, c.sql(" ; -- nothing"), "I Z:I")
	want(t, c.sql("SHOW server_encoding;; SHOW nonsense; SHOW server_encoding"), "T:server_encoding/1043 D:UTF8 C:SHOW E:42704 Z:I")
	want(t, c.sql("SHOW 'open"), "E:42601 Z:I")
	want(t, c.sql("SHOW \xff"), "E:22021 Z:I")
	want(t, c.sql("COMMIT; ROLLBACK; UNLISTEN *; CLOSE ALL; DEALLOCATE ALL"), "N:25P01 C:COMMIT N:25P01 C:ROLLBACK C:UNLISTEN C:CLOSE_CURSOR_ALL C:DEALLOCATE_ALL Z:I")
	want(t, c.sql("FETCH 1 FROM nothing"), "E:34000 Z:I")
	want(t, c.sql("EXECUTE nothing"), "E:26000 Z:I")
	want(t, c.sql("SAVEPOINT a"), "E:25P01 Z:I")
	want(t, c.sql("PREPARE a AS SHOW server_encoding; EXECUTE a; DEALLOCATE a; EXECUTE a"), "E:42601 Z:I")
	want(t, c.ask(&pgproto3.CopyDone{}, &pgproto3.Query{String: "SHOW server_encoding"}), "T:server_encoding/1043 D:UTF8 C:SHOW Z:I")
	want(t, c.ask(&pgproto3.FunctionCall{}), "E:0A000 Z:I")
	want(t, c.ask(&pgproto3.Terminate{}), "end")
}

func TestExtendedProtocol(t *testing.T) {
	_, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	parse := func(name, text string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: text} }
	sync := &pgproto3.Sync{}
	want(t, c.ask(parse("", "SHOW server_encoding"), &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, sync),
		"1 2 T:server_encoding/1043 D:UTF8 C:SHOW Z:I")
	want(t, c.ask(parse("s", "SHOW server_encoding"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}, sync), "1 t:[] T:server_encoding/1043 Z:I")
	want(t, c.ask(parse("s", "SHOW server_encoding"), &pgproto3.Bind{PreparedStatement: "s"}, sync), "E:42P05 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "s", DestinationPortal: "p", ResultFormatCodes: []int16{1}}, &pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Execute{Portal: "p"}, sync),
		"2 D:UTF8 s C:SHOW Z:I")
	want(t, c.ask(&pgproto3.Execute{Portal: "p"}, &pgproto3.Execute{Portal: "p"}, sync), "E:34000 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{nil}}, sync), "E:08P01 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "s", ResultFormatCodes: []int16{7}}, sync), "E:08P01 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "s", ResultFormatCodes: []int16{1, 1}}, sync), "E:08P01 Z:I")
	want(t, c.ask(&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Close{ObjectType: 'P'}, sync), "3 3 3 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "s"}, sync), "E:26000 Z:I")
	want(t, c.ask(parse("", ""), &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, sync), "1 2 n I Z:I")
	want(t, c.ask(parse("", "SHOW nonsense"), &pgproto3.Bind{}, &pgproto3.Execute{}, sync), "1 2 E:42704 Z:I")
	want(t, c.ask(parse("", "SHOW a b c"), &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{}, sync), "E:42601 Z:I")
	want(t, c.ask(&pgproto3.Describe{ObjectType: 'X'}, sync), "E:08P01 Z:I")
	want(t, c.ask(parse("", "SHOW server_version"), sync, &pgproto3.Bind{}, &pgproto3.Execute{}, sync), "1 Z:I")
	want(t, c.answer(), "2 D:16.0 C:SHOW Z:I")
}

func TestMessageBounds(t *testing.T) {
	_, address := listen(t, openDatabase(t), Options{MaxMessage: 1 << 20})
	c := connect(t, address)
	comment := "/*" + strings.Repeat("x", 900_000) + "*/"
	want(t, c.sql(comment+"SHOW server_version"), "T:server_version/1043 D:16.0 C:SHOW Z:I")
	header := binary.BigEndian.AppendUint32([]byte{'Q'}, 1<<20+5)
	if _, err := c.nc.Write(header); err != nil {
		t.Fatal(err)
	}
	want(t, c.answer(), "E:54000 end")
	c = connect(t, address)
	if _, err := c.nc.Write([]byte("Q\x00\x00\x00\x01")); err != nil {
		t.Fatal(err)
	}
	want(t, c.answer(), "E:08P01 end")
	c = connect(t, address)
	if _, err := c.nc.Write([]byte("~\x00\x00\x00\x04")); err != nil {
		t.Fatal(err)
	}
	want(t, c.answer(), "E:08P01 end")
}

func TestCloseTellsIdleClients(t *testing.T) {
	s, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close(ctx) }()
	want(t, c.answer(), "E:57P01 end")
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	_, address := listen(t, openDatabase(t), Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	c := dial(t, address)
	c.Send(&pgproto3.SSLRequest{})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(c.nc, b[:]); err != nil || b[0] != 'S' {
		t.Fatalf("%c %v", b[0], err)
	}
	secure := tls.Client(c.nc, &tls.Config{InsecureSkipVerify: true})
	c.Frontend = pgproto3.NewFrontend(secure, secure)
	c.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ada"}})
	want(t, c.answer(), "R K Z:I")
	want(t, c.sql("SHOW server_version"), "T:server_version/1043 D:16.0 C:SHOW Z:I")

	// What comes with the request, before encryption, must not be taken as part of the encrypted stream.
	c = dial(t, address)
	raw, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.nc.Write(append(raw, "Q\x00\x00\x00\x05\x00"...)); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(c.nc); !bytes.Contains(got, []byte("C08P01")) {
		t.Errorf("got %q", got)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestFirstWord(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := firstWord(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("", "")
	f(" ;; -- a", "")
	f("/* a /* b */ c */ (select 1)", "SELECT")
	f("/* a", "")
	f("-- x\n\tShow y", "SHOW")
	f("$1", "?")
	f("begin;", "BEGIN")
}

func TestSubscribeText(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := subscribeText(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f(`DECLARE c CURSOR FOR SUBSCRIBE TO v`, "SUBSCRIBE TO v")
	f(`DECLARE "for subscribe" CURSOR WITH HOLD FOR /* subscribe */ subscribe subscribe WHERE a = 'SUBSCRIBE'`, "subscribe subscribe WHERE a = 'SUBSCRIBE'")
}

func TestDurations(t *testing.T) {
	f := func(in string, want time.Duration, ok bool) {
		t.Helper()
		if got, fine := parseTimeout(in); got != want || fine != ok {
			t.Errorf("%q: got %v %v", in, got, fine)
		}
	}
	f("1s", time.Second, true)
	f("1.5", 1500*time.Millisecond, true)
	f("500ms", 500*time.Millisecond, true)
	f("2 minutes", 2*time.Minute, true)
	f("1 day", 24*time.Hour, true)
	f("1 month", 0, false)
	f("-1s", 0, false)
	f("x", 0, false)
}
