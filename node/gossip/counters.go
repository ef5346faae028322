package gossip

// Counters tell what a core did and, by reason, what it did not do. They only
// grow.
type Counters struct {
	Published        uint64 // own rumors sealed and spread
	PublishRefused   uint64 // own rumors that came to nothing
	Delivered        uint64 // rumors told to modules
	Pushed           uint64 // rumors sent down links
	Received         uint64 // rumors that came by push
	Filled           uint64 // rumors that came by anti-entropy
	Accepted         uint64 // of both: new and verified
	Prunes           uint64 // links made lazy for a group
	Grafts           uint64 // requests for rumors that did not come by the tree
	Reroots          uint64 // changes to a faster way for one origin
	Duplicates       uint64 // dropped: known already
	Unwanted         uint64 // dropped: no module takes the type
	Expired          uint64 // dropped: no longer alive
	Stale            uint64 // dropped: superseded
	Skewed           uint64 // dropped: created in the future
	WrongNetwork     uint64 // dropped: of another network
	BadWork          uint64 // dropped: too little proof of work
	BadSignature     uint64 // dropped: forged
	NoRoom           uint64 // dropped: too much waits for votes, or too many origins
	TooFast          uint64 // put off: an origin says more than everybody has to carry
	OriginsRefused   uint64 // put off: more unheard-of origins than one neighbour may tell of
	PresencesPutOff  uint64 // put off: more presences of one node than it may renew
	ResendsRefused   uint64 // asked for more often than a rumor is given to one neighbour
	Equivocations    uint64 // origins proved to have signed two rumors with one number
	VotedDown        uint64 // rumors that a module refused
	VotesTimedOut    uint64 // rumors that modules did not vote on in time
	VotesIgnored     uint64 // votes on nothing that was open
	ModulesRefused   uint64 // subscriptions of modules beyond the cap
	TypesRefused     uint64 // subscriptions to data types beyond the cap
	SendsDropped     uint64 // messages that a full queue did not take
	LateReceipts     uint64 // pushes not answered within the time-out
	Misbehaviour     uint64 // neighbours cut off for breaking the protocol
	DeadLinks        uint64 // links given up after silence
	LinksRefused     uint64 // because this node had enough neighbours
	LinksEvicted     uint64 // for one of a network group that has fewer
	Dials            uint64 // attempted
	DialsFailed      uint64 // of them
	Probes           uint64 // of them: only to see whether a peer is there
	Looks            uint64 // of them: to see what one more taker of a rare type has
	LooksFound       uint64 // of them: those that brought what should have been here
	Shuffles         uint64 // exchanges of peers begun
	Syncs            uint64 // comparisons begun
	SyncSteps        uint64 // Sync messages received
	RecordsRefused   uint64 // peer records not asked for, or more than one peer may tell
	DHTLinksEnded    uint64 // links to peers of the DHT that others of the DHT took the place of
	MembersRefused   uint64 // presences beyond the cap
	EpochsRaised     uint64 // times that a neighbour knew a later epoch of ours
	CandidatesPruned uint64 // peers forgotten for want of room
	CopyProofs       uint64 // new rumors of this node's key that another node made
	Accused          uint64 // neighbours that this node named as lost
	Suspected        uint64 // members that became suspects here
	Lost             uint64 // of them, those taken for lost
	Refuted          uint64 // presences by which this node answered accusers
	Lags             uint64 // times that the driver was late by more than a second
}
