// Package apimsg is the binary language that local modules speak with a peer:
// the messages of the Gossip, NSE, RPS and DHT APIs of the "voidphone" course
// at TUM, as bytes and as Go values. It does no I/O of its own and knows no
// rules of conduct; package apibridge has those.
//
// Every message is
//
//	size u16 · type u16 · body
//
// in big-endian order, where size counts the whole message, header included:
// 4 to 65,535 bytes. A connection carries any number of messages in both
// directions. Reserved fields are written as 0 and ignored when read.
//
//	500 ANNOUNCE      TTL u8 · reserved u8 · data type u16 · data
//	501 NOTIFY        reserved u16 · data type u16
//	502 NOTIFICATION  message ID u16 · data type u16 · data
//	503 VALIDATION    message ID u16 · reserved 15 bits · valid 1 bit
//	520 NSE QUERY
//	521 NSE ESTIMATE  peers u32 · standard deviation u32
//	540 RPS QUERY
//	541 RPS PEER      port u16 · #portmap u8 · reserved 7 bits · IPv6 1 bit ·
//	                  #portmap × (app u16 · port u16) · address 4 or 16 bytes · hostkey DER
//	650 DHT PUT       TTL u16 · replication u8 · reserved u8 · key 32 bytes · value
//	651 DHT GET       key 32 bytes
//	652 DHT SUCCESS   key 32 bytes · value
//	653 DHT FAILURE   key 32 bytes
//
// [Append] makes bytes, [Parse] reads one message that is whole, and a
// [Reader] takes messages off a stream however TCP has cut or joined it.
// What breaks the rules is a [Violation]. Nothing can be said about the bytes
// behind one, so a Reader never goes on after it: otherwise the body of an
// HTTP request that a web page sends to the port could carry messages.
package apimsg
