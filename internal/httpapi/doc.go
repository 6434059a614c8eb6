// Package httpapi is the HTTP door: ingest, SQL, look-ups, live queries as Server-Sent Events, health and the page at "/".
//
// It sees sessions and nothing deeper. Each request has a session of its own. Errors everywhere are
// {"error":{"code","message","detail","hint","position"}} with a fitting status. Requests that wait (a token, a live query) end with the
// client's connection or when the server closes.
package httpapi
