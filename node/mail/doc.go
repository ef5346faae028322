// Package mail is private messages: from a node to up to 64 others, read by
// nobody else.
//
// # Two ways
//
// A message is sealed once to all its recipients (package envelope), with the keys
// that their presences tell, certified by their hostkeys. The last certificate of a
// node that is away is remembered, in memory, until it expires: at least two days
// after it was made known ([certificateLife]). To each recipient that
// can be reached it goes straight (package direct), and the recipient's answer says
// that it arrived. For all others together one private rumor carries it, which
// every node keeps and hands on, and of which each finds out whether it is for it
// by trying its key. Who gets it that way answers with a receipt: a letter of its
// own, straight or by a rumor, for up to 64 messages at once. So does its only recipient
// that got it straight if the rumor follows, which says that the answer was not heard.
//
// Which way is taken is decided for each recipient: straight if it is connected or
// an address of it is known, and did not fail within the last minute; if that gives
// no answer within [directPatience], or that it is busy, by a rumor. Who refuses it,
// or has another key by now, would not take the same from a rumor either, and gets
// none. [Mail.Send] returns when every recipient's way is settled; receipts that come
// later are told to its readers and shown by [Mail.Sent].
//
// # Told once
//
// A message has an ID and a life, both under its sender's signature. Who has told
// it remembers it on the disk, before it is told and answered, until it would be
// refused as too old: whether it comes again by the other way, from somebody who
// kept the rumor, or after a restart, and even if its clock leaps ahead and back while
// it runs. See told.go for what happens when there are more than can be remembered.
// What the disk did not take is told all the same, and written as soon as it takes it
// (disk.go).
//
// # Readers
//
// Messages are kept for whoever reads here: [maxLetters] of at most [maxLettersBytes]
// bytes, on the disk too. Beyond that the oldest of that sender go of whom most are kept,
// so nobody's are pushed out by who writes more. Of receipts the last [maxReceipts] are
// kept, in memory only; they take no room from messages. Every reader sees all that
// is kept, from where it says, in the order in which it came, and is told where it
// missed something.
//
// # What others learn
//
// Who carries a rumor learns its sender, about its size, that it has at most 1, 2,
// 4 … 64 recipients, and neither who they are nor what it says. Who sees the whole
// network's traffic can guess more: a receipt that travels by a rumor follows what
// it acknowledges, and goes straight where it can; it waits by chance up to
// [receiptJitter] for others. A sender that does not want receipts says so.
//
// # Limits
//
//	MaxText                       bytes of a message's text
//	envelope.MaxRecipients        recipients
//	maxSent                       sent messages whose receipts are awaited; the oldest are forgotten
//	maxOpening, maxOpeningBytes   carried rumors that wait to be tried; more are left out, and counted
//	maxTold, maxToldPeer          messages remembered (told.go)
//	maxLetters, maxLettersBytes   messages kept for readers
//	maxReceipts                   receipts kept for readers
//	maxAnswers                    messages whose answers may not have been heard
//	maxOwed, maxAcknowledged      senders that wait for receipts, and as many whose keys are not known; messages of each
//	receiptPause                  between two rumors with receipts of this node
//	maxCertificates               nodes that can be written to while they are away: correspondents, and as many others
//	maxFailed                     peers that could not be reached straight a while ago
//
// A receipt is never acknowledged, and a message is acknowledged once, however
// often it comes: so nothing goes round. If a receipt is lost, its sender does not
// learn that the message arrived.
package mail
