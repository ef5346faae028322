// Package envelope seals messages to a few named nodes, so that everybody can
// carry them and only those can read them.
//
// A node has, besides its hostkey, a [Key] to be written to, and vouches for it
// with its hostkey in a [Certificate] that others get from wherever it is told.
// Who has the certificates of all recipients can [Seal]; each of them can [Open].
//
//	sealed, err := envelope.Seal(about, sender, certificates, []byte("text"))
//	…
//	message, err := envelope.Open(about, self, key, sealed)
//
// # What it hides and proves
//
// The text is encrypted once, under a content key that is new each time, and the
// content key once for each recipient, with HPKE (RFC 9180). Who carries an
// envelope learns who sent it, since rumors are signed; that it has at most so
// many recipients (1, 2, 4 … 64: the rest of the slots is filled with what looks
// the same); and that it is at most so long (sizes are rounded up by up to 12 %,
// as Padmé does: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files
// and Communication with PURBs", 2019). It does not learn who the recipients are:
// a node finds out whether an envelope is for it by trying its key on each slot.
//
// Recipients learn who the others are, and that the sender means all of them: its
// signature inside covers the text, their names, and what the envelope is [About].
// So a recipient cannot pass the text on as if it had been sealed to somebody
// else, and an envelope that is sent again as a rumor of another origin, data type
// or network does not open. All recipients read the same text: the envelope is
// committed to one content key (without that, one ciphertext of AES-GCM can have
// two meanings under two keys).
//
// It does not hide what a stolen Key gives away: with it all envelopes that were
// sealed to it can be read. Keys should be replaced from time to time, which is
// what a certificate's sequence and expiry are for, and old ones forgotten. Nor can
// a sender deny what it wrote: the signature convinces others, too.
//
// # Format
//
// Numbers are big-endian. An envelope is
//
//	version          u8      1
//	slots            u8      s: there are 2^s slots, 0 ≤ s ≤ 6
//	commitment       32      HKDF-SHA256(content key, no salt, "hearsay envelope v1 commitment")
//	slot             80·2^s  in random order
//	sealed content   rest    AES-256-GCM
//
// where a slot is
//
//	encapsulated key 32      HPKE, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//	sealed key       48      ChaCha20-Poly1305, of the 32 bytes of the content key
//
// with "hearsay envelope v1 slot", a zero byte and the digest of About as info and
// no associated data. The sealed content is under the key HKDF-SHA256(content key,
// no salt, "hearsay envelope v1 content"), with a nonce of 12 zero bytes, which is
// used once, and everything before as associated data. It is, before sealing,
//
//	length           u32     of the next field
//	content
//	padding                  zeros, to a size class
//
// and the content is
//
//	message ID       16      random; a recipient may have the same one by two ways
//	recipients       u8      1 to 64, then each: length u8, peer ID of up to 64
//	                         bytes; ascending, none twice
//	text             u32     length, then that many bytes
//	public key       u16     length, then the sender's hostkey as libp2p marshals it;
//	                         empty if its peer ID embeds it
//	signature        u16     length, then by the sender's hostkey, of
//	                         "hearsay envelope v1", a zero byte, the digest of About,
//	                         the commitment, and the SHA-256 of the content before
//	                         the public key
//
// The digest of About is SHA-256 over: network (length u8, bytes), origin (length
// u8, bytes), data type u16, epoch u64, sequence number u64. A sender that does not
// know its rumor's number yet puts 0 for both, and so do its recipients.
//
// A certificate is
//
//	version          u8      1
//	peer ID                  length u8, bytes
//	key              32      X25519
//	sequence         u64     of a peer's certificates the one with the greatest counts
//	expires          u64     Unix milliseconds
//	public key               length u16, bytes; as above
//	signature                length u16, bytes; of "hearsay envelope key v1", a zero
//	                         byte, and everything before the length of the public key
//
// # Limits
//
// An envelope is at most [MaxSize] bytes, what one rumor carries. A text is at most
// [MaxText] bytes, recipients are at most [MaxRecipients]. So opening tries at most
// 64 slots, and nothing is allocated before the sizes fit.
package envelope
