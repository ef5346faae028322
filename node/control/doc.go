// Package control is how a person's tools steer a running node: HTTP and JSON
// on a loopback address, with server-sent events for what is live. The command
// line uses it and nothing else.
//
//	GET  /v1/id                    Identity     who the node is and where it listens
//	GET  /v1/status                Status       its summary, warnings and counters
//	GET  /v1/peers                 Peers        everybody it knows
//	GET  /v1/routes                Routes       by whom the others' rumors come
//	POST /v1/announce              AnnounceRequest → Announced
//	PUT  /v1/dht/{key}             ValueRequest → StoredValue
//	GET  /v1/dht/{key}             Values       of the distributed hash table
//	GET  /v1/listen?type=1&type=2  events "rumor" of Rumor, as they come
//	GET  /v1/events                events "peer" of PeerEvent: neighbours that come and go
//
// Every answer and every event carries "version": 1; a failure is an [Error]
// with the status code that fits. Both streams begin with the event "open" once
// nothing that happens from then on can be missed.
//
// # Who may ask
//
// Whoever can read [FileName] in the node's state folder: it holds the address
// and a token that is new at each start, is readable by its owner alone, and
// disappears with the node. Every request must carry the token. The other doors
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
