// Package shared is shared state: each node says things of itself under keys of its
// own, and every node knows the newest of what every other says.
//
// A value is a state rumor of data type 0, which everybody carries (package
// gossip): only its origin can sign it, the newest version of each key replaces the
// others everywhere, and who comes later gets it by comparison. Its payload is
//
//	version u8 = 1 · flags u8 · set u64 (Unix ms) · value
//
// with flag 1 for a key that was deleted, which has no value.
//
// A value lives for Config.Lifetime after its node last said it, and the node says it
// again every half of that, as long as it runs: by the clock that is first, so that it is
// there within a minute after a machine slept; and when its clock was set back, because
// nobody heard what was dated ahead. So what a node said stays for up to a lifetime after
// it is gone. Its own values are on its disk and are said again when it starts; a node
// that lost its disk says nothing until somebody sets something, and what it said before
// stays with the others until it expires. When a value was set does not change when it is
// said again, so that readers are told changes only.
//
// Delete says that a key has no value any more. That word lives as long as a value:
// until then whoever has the older value, or gets it late, is told; afterwards the
// older value has expired everywhere, and the key is forgotten. If the clock was ahead
// when it was said, and is set back, it is said again, too, and lives from then on. A
// deleted key counts against the node's keys until then.
//
// # Limits
//
//	MaxKey, MaxValue     bytes of a key and of a value
//	MaxKeys              keys of one node, deleted ones included
//	maxEntries           values of all nodes that are remembered
//	maxPeerEntries       of one node; what it set first is forgotten first
//
// Watchers are told of what is forgotten as of what expired. When its node says it
// again, it is news.
//
// The core bounds the rumors themselves, for each node and for all together.
package shared
