// Package dashboard is the page that shows a running node in a browser: who is
// here, the neighbourhood as a picture that moves, rumors as they arrive, chat,
// shared state, the DHT, figures and health. It is served by package control and
// knows nothing but its HTTP API.
//
// # How it is made
//
// Plain HTML, CSS and ECMAScript modules, embedded as they are: no build step,
// no framework, nothing from elsewhere. One module is one part of the page;
// static/dom.js makes elements, static/api.js talks to the node, and
// static/app.js puts the parts together.
//
// # What it costs the node
//
// One event stream and, after it is opened or had a gap, one question for each of
// the pictures that events only change, and for what it has not read of the inbox.
// Nothing is asked again and again. What happens in a frame is drawn once, and nothing
// is drawn while nothing moves or nobody sees the page.
//
// # What it does with what others say
//
// Payloads, names, addresses and errors come from strangers. They reach the page
// as JSON and the screen as text nodes: no code of this package makes HTML, and a
// test holds the files to that. The page's Content-Security-Policy lets it load
// nothing but its own files and talk to nobody but its own server, so that even a
// mistake here has nowhere to go. Control and direction characters are shown as
// signs, so that a name cannot pretend to be another part of a line.
//
// # How a person gets in
//
// By a link that "hearsay dashboard" makes. Its fragment holds a code that works
// once; the page changes it for a session token, takes it out of the address bar,
// and keeps the token in sessionStorage: it belongs to this tab and this port, and
// is gone with the tab. See package control for why it is no cookie.
package dashboard
