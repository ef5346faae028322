// Package apibridge lets local modules use a node: it serves the module APIs of
// the "voidphone" course (package apimsg has their messages) over TCP:
// [GossipServer] for rumors, [DHTServer] for values. A module
// is any program on this machine; it ANNOUNCEs data for the node to spread,
// asks by NOTIFY to be told of a data type, is told by NOTIFICATION, and says
// by VALIDATION whether what it was told is well-formed.
//
// Three more APIs have servers of their own: [DHTServer] keeps values, [RPSServer]
// offers random peers, and [NSEServer] tells the size of the network.
//
// The node decides: who is told what, what was announced before somebody
// subscribed, how votes count, when they are too late. The bridge carries, and
// keeps modules from harming the node or each other:
//
//   - What breaks the rules of the API (a size below 4, an unknown type, a
//     message that only the node sends, a body of the wrong length) closes the
//     connection at once. Nothing is sent and nothing behind it is read, so
//     that a web page which makes a browser POST to the port achieves nothing.
//   - Messages may come in any pieces, several or a fraction to a segment; one
//     that is begun has to be complete within [Options.FrameTimeout].
//   - An ANNOUNCE that was received counts, even if the module closes the
//     connection right behind it.
//   - Two NOTIFICATIONs in one read break most existing modules. So the next
//     one goes out when the one before has its VALIDATION, or after
//     [Options.Pace], or at once if very many wait. Header and body leave in
//     one write.
//   - A module that does not read has a bounded queue. When that is full, or a
//     write takes longer than [Options.WriteTimeout], its connection is closed.
//     The node never waits for a module. What is replayed at a NOTIFY does not
//     fill the queue.
//   - A module that announces too fast is read more slowly; nothing is lost.
//   - A module that re-announces what it was told does so once per
//     [Options.EchoWindow] and content, so that two of them cannot keep a
//     rumor going round between them for ever. One that repeats its own data
//     is not held back because others do this.
//   - A panic ends the connection it belongs to and nothing else.
//
// DESIGN.md beside the code has the rules with their reasons, and figures.
package apibridge
