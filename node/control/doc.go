// Package control is how a person's tools steer a running node: HTTP and JSON
// on a loopback address, with server-sent events for what is live. The command
// line uses it and nothing else.
//
// Every path and every message is described in openapi.json, which is made from
// the routes and the types of this package and served at /v1/openapi.json. A
// topic is a file: node.go, peers.go, rumors.go and so on.
//
// Every answer and every event carries "version": 1; a failure is an [Error]
// with the status code that fits. A stream begins with the event "open" once
// nothing that happens from then on can be missed. /v1/events has everything
// live in one stream, and whoever comes back with Last-Event-ID goes on where it
// was, or is told of a gap (hub.go).
//
// # Who may ask
//
// Whoever can read [FileName] in the node's state folder: it holds the address
// and a token that is new at each start, is readable by its owner alone, and
// disappears with the node. Of a node that was killed it stays, and the port is
// anybody's: a [Client] asks only while the state folder is locked, as it is while
// its node runs. Every request must carry the token, or that of a
// session: a browser gets one for a code that works once (sessions.go). What needs
// none is few and changes nothing: the dashboard's own files, the probes and
// metrics (probes.go), and this API's description. The other doors
// on a loopback port are web pages and are shut separately, so that one mistake
// opens none: the Host header must name this server (DNS rebinding),
// [net/http.CrossOriginProtection] refuses what another site's page sends, and a
// body must say that it is JSON, which no HTML form can.
//
// # What it costs at most
//
// Connections, streams, headers and bodies are capped and everything has a
// deadline (the constants of this package). A reader that is too slow loses
// rumors from its listener's bounded queue, is told how many, and is cut off
// when it takes nothing at all; the node never waits for it.
package control
