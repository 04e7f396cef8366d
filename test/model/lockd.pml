/*
 * The protocol of lockd (src/core/machine, migrations/0002_protocol.sql), for spin: every
 * interleaving of everything below, within small bounds. test/model/model.test.ts runs it.
 *
 *   spin -a lockd.pml && cc -O2 -DSAFETY -DNOREDUCE -o pan pan.c && ./pan -m100000
 *
 * WHO TAKES PART. Two processes of one name, each with its backend on the server, its guard and its
 * work; the server with the seat, the lease and the fence; and the world, which lets time pass.
 *
 * THE PROMISES are assertions:
 *   one at a time   no gate opens, and no beat extends a trust, while the work of another term (its
 *                   gate is open, or its drain has not finished) may go on. Work that ignores its
 *                   abort signal beyond the lease is not promised, so it does not count.
 *   fast            who wins a seat that was released finds the lease marked as ended.
 *   fenced          tokens grow; a fenced transaction commits under the latest token only.
 *
 * EACH RULE of the protocol can be taken away with -DWITHOUT_<rule>, and then a promise breaks.
 * (Three are second lines, which only matter where another rule is gone, too: see the test.)
 *
 * THE WORLDS, by -D:
 *   (none)          time, slow clocks, unequal TTLs, ends of sessions, crashes, guards, lost marks
 *   PROMOTION       a replica that lags is promoted, once: its row is the truth from then on. TTLs
 *                   must be equal (README.md says why), and where they are not, spin finds it, too.
 *   FENCE           fenced transactions. Without time: any holder of the seat may take over at any
 *                   moment, which is more than the protocol allows. The other worlds leave the
 *                   fence out, which is more than it allows, too: all it does there is to delay.
 *   ORDERLY         the seat is lost with its session only (see "early" below)
 *   PUNCTUAL        all clocks tick alike
 * and the bounds TTL_0, TTL_1 (ticks), TERMS (takeovers in all), BEATS (counted ones per term).
 *
 * TIME is a tick that is everybody's. What counts ticks is relative and stops where more of it makes
 * no difference, so time has no end. Nobody is ever in a hurry: between any two steps of a process
 * there may be as many ticks as you like, so frozen processes, blocked event loops, slow networks and
 * full queues need no mention. Only the gate closes by itself, because `isActive()` asks the
 * clock. A slow clock misses a tick: one per lease, as much as the margin allows for. A clock that
 * delays a successor needs no mention either. The monotonic and the boot-time clock are one here.
 *
 * THE SERVER is worse than PostgreSQL: it looks whether a backend holds the seat, and only later
 * executes its beat or takeover, and the seat may have been lost early in between.
 *
 * WHAT IS LEFT OUT, and why that hides nothing:
 *   - connecting, cooling, timeouts of attempts: waiting, and nobody needs a reason to wait;
 *   - the order of the queue: whoever waits may be next;
 *   - the way of a lease to its reader: a later answer is counted from later, so it waits longer,
 *     and an older one is as good as a bid that is executed late, which is in here;
 *   - a refusal's way back: a client that has not heard yet may only let time pass;
 *   - a second session of a process while its last one still lives on the server: the other process
 *     plays that part. More than two processes: the simulation and the chaos runs have them;
 *   - `takeover: 'fast'`, which promises less; drains that overrun: a drain here takes any time, and
 *     who gives up is LOST without a confession; a highest token and beat remembered beside the
 *     timeline: they are a second line for histories that change without a new one;
 *   - two primaries, a guard killed with its supervisor: not promised.
 * What can no longer make a difference is set to 0, so that equal states are counted once.
 */

#ifndef TTL_0
#define TTL_0 3
#endif
#ifndef TTL_1
#define TTL_1 2
#endif
#ifndef TERMS
#define TERMS 3
#endif
#ifndef BEATS
#define BEATS 1
#endif
#define MARGIN 1

#if TTL_0 > TTL_1
#define LONGEST TTL_0
#else
#define LONGEST TTL_1
#endif
#define TTL(p) (p == 0 -> TTL_0 : TTL_1)
#define other(p) (1 - p)

/* Phases of a process. LOST: the seat or the trust in it has gone, work in flight is still finishing.
   DEAD: it has crashed, and what it left has not: its work, or a takeover that is still on its way. */
mtype = { OUT, QUEUED, HEIR, BIDDING, ACTIVE, DRAINING, RELEASING, LOST, DEAD };
/* The statement in flight. A release is a MARK that commits, and then an UNLOCK. */
mtype = { NONE, TAKEOVER, BEAT, MARK, UNLOCK };
/* On its way, past its look at the seat, executed and on its way back. */
mtype = { SENT, CHECKED, DONE };

/* Instances: 0 and 1 now, or one that a restart has replaced. */
#define FORMER 2
#define NOBODY 3

typedef Lease {
  byte token;
  byte beat;
  byte ttl;
  byte holder;
  byte timeline;
  bit ended
};

typedef Process {
  mtype phase;
  mtype call;
  mtype stage;
  byte granted;     /* the token a takeover brought; whether a release has marked */
  byte token;       /* of the term it leads, or led last */
  bit works;        /* its gate is open, or its drain has not finished */
  byte trust;       /* ticks of its own clock since the last acknowledged beat was sent */
  byte asked;       /* the same since the call in flight was sent */
  bit missed;       /* its clock has missed a tick since then ... */
  bit missedAsked;  /* ... and since then */
  byte waited;      /* ticks since it learned of the grant */
  byte seenToken;   /* the latest beat it has seen, and ... */
  byte seenBeat;
  byte seen;        /* ... ticks since it learned of it */
  byte plea;        /* the token of a confession or testimony that may arrive at any time */
#ifdef FENCE
  bit writes;       /* a fenced transaction is open */
  byte term         /* the number of its last term: for the assertion only */
#endif
};

Process c[2];
Lease basis[2];     /* what the process has read, and bases its bid on */
Lease row;
byte seat = NOBODY;
byte issued;        /* the highest token ever given: the database clock in ms is beyond it */
bit handed;         /* the seat came free by a release that has marked: for the assertion only */
#ifdef PROMOTION
Lease replica;
byte history = 1;    /* the timeline the server is on */
#else
#define history 1
#endif
#ifdef FENCE
byte term;
#endif

/* ------------------------------- the rules, each of them removable ------------------------------- */

/* A leader trusts itself for less than a TTL: a margin for clocks that tick unalike. */
#ifdef WITHOUT_MARGIN
#define WINDOW(p) TTL(p)
#else
#define WINDOW(p) (TTL(p) - MARGIN)
#endif

/* The gate asks the clock. */
#ifdef WITHOUT_DEADLINE
#define trusts(p) true
#else
#define trusts(p) (c[p].trust < WINDOW(p))
#endif

/* Trust counts from when the beat was sent, not from its answer. */
#ifdef WITHOUT_SENT_DEADLINE
#define renew(p) c[p].trust = 0; c[p].missed = 0
#else
#define renew(p) c[p].trust = c[p].asked; c[p].missed = c[p].missedAsked
#endif

/* Time comes before the news: an answer after the deadline revives nothing. */
#ifdef WITHOUT_TIME_FIRST
#define inTime(p) true
#else
#define inTime(p) trusts(p)
#endif

/* Over a promotion neither a mark nor a beat seen says anything: one full lease, the larger one. */
#if defined(WITHOUT_HISTORY) || !defined(PROMOTION)
#define isDoubtful(p) false
#else
#define isDoubtful(p) (basis[p].timeline != history)
#endif

/* The lease that has to run out is the predecessor's. */
#ifdef WITHOUT_ROW_TTL
#define oldTtl(p) TTL(p)
#else
#define oldTtl(p) basis[p].ttl
#endif

/* A sighting counts if it is of the row's token and beat. */
#ifdef WITHOUT_SIGHTING_TOKEN
#define sawToken(p) (c[p].seenToken != 0)
#else
#define sawToken(p) (c[p].seenToken == basis[p].token)
#endif
#ifdef WITHOUT_SIGHTING_BEAT
#define sawBeat(p) true
#else
#define sawBeat(p) (c[p].seenBeat == basis[p].beat)
#endif

/* The seat alone proves nothing: the old lease must have ended, or run out. As `inherit`. */
#if defined(WITHOUT_WAIT) || defined(FENCE)
#define mayStart(p) true
#else
#define isOver(p) (basis[p].token == 0 || basis[p].ended || basis[p].holder == p)
#define hasWaited(p) (sawToken(p) && sawBeat(p) -> c[p].seen >= oldTtl(p) : c[p].waited >= oldTtl(p))
#define mayStart(p) (isDoubtful(p) -> c[p].waited >= basis[p].ttl && c[p].waited >= TTL(p) : isOver(p) || hasWaited(p))
#endif

/* The lease is read after the grant, not by the statement that waited for it. */
#ifdef WITHOUT_READ_AFTER_GRANT
#define readEarly(p) copy(basis[p], row)
#define readLate(p) skip
#else
#define readEarly(p) skip
#define readLate(p) copy(basis[p], row)
#endif

/* A takeover is a compare-and-set from what the bid was based on ... */
#ifdef WITHOUT_TAKEOVER_CAS
#define isUnchanged(p) true
#else
#define isUnchanged(p) (row.token == basis[p].token && row.beat == basis[p].beat && row.ended == basis[p].ended)
#endif
/* ... by the backend that holds the seat; and so is a beat, ... */
#ifdef WITHOUT_TAKEOVER_SEAT
#define mayTake(p) true
#else
#define mayTake(p) (seat == p)
#endif
#ifdef WITHOUT_BEAT_SEAT
#define mayBeat(p) true
#else
#define mayBeat(p) (seat == p)
#endif
/* ... from its own token. */
#ifdef WITHOUT_BEAT_TOKEN
#define isOwn(p) true
#else
#define isOwn(p) (row.token == c[p].token && !row.ended)
#endif

/* A mark is for one token. */
#ifdef WITHOUT_MARK_TOKEN
#define isOf(marked) true
#else
#define isOf(marked) (row.token == marked && !row.ended)
#endif

/* A release comes after the drain. Its unlock comes after its mark. */
#ifdef WITHOUT_RELEASE_AFTER_DRAIN
#define mayRelease(p) true
#else
#define mayRelease(p) (!c[p].works)
#endif
#ifdef WITHOUT_MARK_BEFORE_UNLOCK
#define FIRST UNLOCK
#define LAST MARK
#define HANDED(p) (row.token == c[p].token)
#else
#define FIRST MARK
#define LAST UNLOCK
#define HANDED(p) (c[p].granted && row.token == c[p].token)
#endif

/* A confession comes after the drain, a testimony after the death of all that worked, and nobody
   campaigns while its own old work goes on: see the LOST and the DEAD below. */

/* A takeover gives a new token, higher than any before, also than those a promotion has lost. */
#ifdef WITHOUT_TOKEN_BUMP
#define nextToken 1
#else
#ifdef WITHOUT_TOKEN_CLOCK
#define nextToken (row.token + 1)
#else
#define nextToken (issued + 1)
#endif
#endif

/* What was acknowledged is durable: only a promotion, which shows, can lose it. */
#ifdef WITHOUT_DURABLE_WRITES
#define promote skip
#else
#define promote history = 2
#endif

#ifdef FENCE
/* A fenced transaction compares its token, and holds up a takeover until its end. */
#ifdef WITHOUT_FENCE_CHECK
#define passes(p) true
#else
#define passes(p) (row.token == c[p].token)
#endif
#ifdef WITHOUT_FENCE_GATE
#define gateIsFree true
#else
#define gateIsFree (!c[0].writes && !c[1].writes)
#endif
#define rollBack(p) c[p].writes = 0
#else
#define gateIsFree true
#define rollBack(p) skip
#endif

/* ---------------------------------------- the promises ------------------------------------------ */

#ifdef FENCE
#define isBusy(p) false
#define tokensGrow skip
#else
#define isBusy(p) (c[p].works && trusts(p))
#define tokensGrow assert(row.token > issued)
#endif
#define isFound assert(!handed || row.ended)
#define isFenced(p) assert(c[p].term == term)

/* ----------------------------------------- the moves -------------------------------------------- */

inline copy(to, from) {
  to.token = from.token; to.beat = from.beat; to.ttl = from.ttl;
  to.holder = from.holder; to.timeline = from.timeline; to.ended = from.ended
}

inline blank(lease) {
  lease.token = 0; lease.beat = 0; lease.ttl = 0;
  lease.holder = 0; lease.timeline = 0; lease.ended = 0
}

inline ask(p, what) {
  c[p].call = what; c[p].stage = SENT; c[p].granted = 0; c[p].asked = 0; c[p].missedAsked = 0
}

inline forget(p) { c[p].seenToken = 0; c[p].seenBeat = 0; c[p].seen = 0 }

inline see(p) {
  if
  :: row.token != c[p].seenToken || row.beat > c[p].seenBeat ->
     c[p].seenToken = row.token; c[p].seenBeat = row.beat; c[p].seen = 0
  :: else
  fi
}

/* A sighting that the row has left behind counts for nothing, and a mark for an old token neither. */
#if defined(WITHOUT_SIGHTING_TOKEN) || defined(WITHOUT_SIGHTING_BEAT)
#define outdate skip
#else
#define outdate forget(0); forget(1)
#endif

inline plead(p) {
  if
#ifndef WITHOUT_MARK_TOKEN
  :: c[p].token != row.token || row.ended
#endif
  :: else -> c[p].plea = c[p].token
  fi
}

#ifdef FENCE
#define forgetToken(p) skip
#else
#define forgetToken(p) if :: c[p].phase == OUT && (c[p].call == NONE || c[p].call == TAKEOVER) -> c[p].token = 0 :: else fi
#endif

/* Without a session: campaigning again comes after the drain. */
inline rest(p) {
  c[p].waited = 0; c[p].asked = 0; c[p].missedAsked = 0;
  if
  :: c[p].works -> c[p].phase = LOST
  :: else -> c[p].phase = OUT; c[p].trust = 0; c[p].missed = 0; forgetToken(p)
  fi
}

/* The client cuts its session. What it has asked for may still be executed, and the seat stays
   with the backend until the server has seen the end of the session. */
inline hangUp(p) {
  if :: c[p].stage == DONE -> ask(p, NONE) :: else fi;
  if :: c[p].call != TAKEOVER -> blank(basis[p]) :: else fi;
  rest(p)
}

/* A new instance, which knows nothing. */
inline beginAnew(p) {
  c[p].token = 0; forget(p);
  if :: row.holder == p -> row.holder = FORMER :: else fi;
#ifdef PROMOTION
  if :: replica.holder == p -> replica.holder = FORMER :: else fi;
#endif
  c[p].phase = OUT
}

/* A statement was refused, or nobody waits for its answer. After a bid in vain the lease is read again. */
inline answerNobody(p) {
  ask(p, NONE);
  if
  :: c[p].phase == BIDDING && (mayTake(p)) -> c[p].phase = HEIR; copy(basis[p], row)
  :: c[p].phase == BIDDING && !(mayTake(p)) -> blank(basis[p]); rest(p)
  :: c[p].phase == DEAD && !c[p].works -> blank(basis[p]); beginAnew(p)
  :: c[p].phase == OUT || c[p].phase == LOST -> blank(basis[p]); forgetToken(p)
  :: else
  fi
}

/* The server ends a session, for any reason or none: a restart, a terminate, a reset, its idle timer.
   A leader hears of it when it hears of it. */
inline endSession(p) {
  if :: seat == p -> seat = NOBODY :: else fi;
  if
  :: c[p].call != NONE && c[p].stage != DONE ->
     ask(p, NONE);
     if
     :: c[p].phase == RELEASING -> plead(p); rest(p)
     :: c[p].phase == BIDDING -> rest(p)
     :: c[p].phase == DEAD && !c[p].works -> beginAnew(p)
     :: else
     fi;
     blank(basis[p]); forgetToken(p)
  :: c[p].phase == QUEUED || c[p].phase == HEIR -> blank(basis[p]); rest(p)
  :: else
  fi
}

inline execute(p, statement) {
  if
  :: statement == MARK -> if :: isOf(c[p].token) -> row.ended = 1; c[p].granted = 1 :: else fi
  :: statement == UNLOCK && seat == p -> seat = NOBODY; handed = HANDED(p)
  :: else
  fi
}

/* ------------------------------------- a process and its guard ---------------------------------- */

#define campaigns(p) (c[p].phase == QUEUED || c[p].phase == HEIR || c[p].phase == BIDDING)
#define holds(p) (c[p].phase == ACTIVE || c[p].phase == DRAINING)
#define isNews(p) (basis[p].token != row.token || basis[p].beat != row.beat || basis[p].ended != row.ended)

proctype Life(byte p) {
  do
  /* PASSIVE: an attempt, which may bring back a beat, and one day the seat. */
  :: d_step { c[p].phase == OUT && c[p].call == NONE && seat != p && issued < TERMS ->
       c[p].phase = QUEUED; readEarly(p) }
  :: d_step { c[p].phase == QUEUED && (row.token != c[p].seenToken || row.beat > c[p].seenBeat) ->
       see(p) }
  :: d_step { c[p].phase == QUEUED && seat == NOBODY ->
       isFound; seat = p; c[p].phase = HEIR; c[p].waited = 0; readLate(p); see(p) }

  /* Holding the seat: reads now and then, and bids when it may. */
  :: d_step { c[p].phase == HEIR && isNews(p) -> copy(basis[p], row) }
  :: d_step { c[p].phase == HEIR && issued < TERMS && mayStart(p) ->
       c[p].phase = BIDDING; ask(p, TAKEOVER) }
  :: d_step { c[p].phase == BIDDING && c[p].stage == DONE && c[p].asked < WINDOW(p) ->
       assert(!isBusy(p) && !isBusy(other(p)));
       c[p].phase = ACTIVE; c[p].works = 1; c[p].token = c[p].granted; renew(p);
       forget(p); c[p].waited = 0; blank(basis[p]); ask(p, NONE) }
  /* Too late, or not wanted any more: given back. */
  :: d_step { c[p].phase == BIDDING && c[p].stage == DONE ->
       c[p].phase = RELEASING; c[p].token = c[p].granted;
       forget(p); c[p].waited = 0; blank(basis[p]); ask(p, FIRST) }
  :: d_step { campaigns(p) -> hangUp(p) }

  /* ACTIVE, and draining with the seat: beats go on. */
  :: d_step { holds(p) && c[p].call == NONE && mayBeat(p) && trusts(p) && (row.beat < BEATS || row.token != c[p].token) ->
       ask(p, BEAT) }
  :: d_step { c[p].call == BEAT && c[p].stage == DONE && inTime(p) ->
       renew(p); ask(p, NONE);
       assert(!isBusy(p) || !isBusy(other(p))) }

  /* Leaving: close the gate, drain, mark, unlock. An unknown outcome is confessed. */
  :: d_step { c[p].phase == ACTIVE -> c[p].phase = DRAINING }
  :: d_step { c[p].phase == DRAINING && c[p].works -> c[p].works = 0 }
  :: d_step { c[p].phase == DRAINING && c[p].call == NONE && mayRelease(p) ->
       c[p].phase = RELEASING;
       if :: !c[p].works -> c[p].trust = 0; c[p].missed = 0 :: else fi;
       ask(p, FIRST) }
  :: d_step { c[p].phase == RELEASING -> plead(p); hangUp(p) }

  /* Losing: it hears of the end of its session, or cuts it itself. Then it drains, and may confess. */
  :: d_step { holds(p) -> hangUp(p) }
  :: d_step { c[p].phase == LOST -> c[p].works = 0; plead(p); rest(p) }
  :: d_step { c[p].phase == LOST -> c[p].works = 0; rest(p) }
#ifdef WITHOUT_CONFESSION_AFTER_DRAIN
  :: d_step { c[p].phase == LOST -> plead(p) }
#endif
#ifdef WITHOUT_OWN_DRAIN
  :: d_step { c[p].phase == LOST && c[p].call == NONE && seat != p && issued < TERMS -> c[p].phase = QUEUED }
#endif

  /* Dies with its work, or beside a guard, which ends the work and may then testify; and restarts. */
  :: d_step { c[p].phase != DEAD ->
       c[p].works = 0; rollBack(p); hangUp(p);
       if
       :: c[p].call == TAKEOVER -> c[p].phase = DEAD; c[p].token = 0; forget(p)
       :: else -> beginAnew(p)
       fi }
  :: d_step { c[p].phase != DEAD && c[p].works -> rollBack(p); hangUp(p); c[p].phase = DEAD; forget(p) }
  :: d_step { c[p].phase == DEAD && c[p].works -> c[p].works = 0; plead(p); rest(p); beginAnew(p) }
  :: d_step { c[p].phase == DEAD && c[p].works -> c[p].works = 0; rest(p); beginAnew(p) }
#ifdef WITHOUT_TESTIMONY_AFTER_DEATH
  :: d_step { c[p].phase == DEAD && c[p].works -> plead(p) }
#endif

  /* A confession or a testimony arrives: by a session of its own, whoever has the seat. */
  :: d_step { c[p].plea != 0 ->
       if :: isOf(c[p].plea) -> row.ended = 1 :: else fi;
       c[p].plea = 0 }

#ifdef FENCE
  /* Whoever has ever led may write at any time, and believe what it likes. */
  :: d_step { c[p].token != 0 && !c[p].writes && passes(p) -> c[p].writes = 1 }
  :: d_step { c[p].writes -> isFenced(p); rollBack(p) }
#endif
  od
}

/* --------------------------------- its backend on the server ------------------------------------ */

proctype Backend(byte p) {
  do
  :: d_step { c[p].call == TAKEOVER && c[p].stage == SENT ->
       if :: mayTake(p) -> c[p].stage = CHECKED :: else -> answerNobody(p) fi }
  :: d_step { c[p].call == TAKEOVER && c[p].stage == CHECKED && gateIsFree && issued < TERMS ->
       if
       :: isUnchanged(p) ->
          row.token = nextToken; tokensGrow; issued++;
          row.beat = 0; row.ttl = TTL(p); row.holder = p; row.timeline = history; row.ended = 0;
          handed = 0; outdate;
#ifdef FENCE
          term++; c[p].term = term;
#endif
#ifndef WITHOUT_MARK_TOKEN
          c[0].plea = 0; c[1].plea = 0;
#endif
          if
          :: c[p].phase == BIDDING -> c[p].stage = DONE; c[p].granted = row.token
          :: else -> answerNobody(p)
          fi
       :: else -> answerNobody(p)
       fi }

  :: d_step { c[p].call == BEAT && c[p].stage == SENT ->
       if :: mayBeat(p) -> c[p].stage = CHECKED :: else -> answerNobody(p) fi }
  :: d_step { c[p].call == BEAT && c[p].stage == CHECKED ->
       if
       :: isOwn(p) ->
          if :: row.beat < BEATS -> row.beat++; outdate :: else fi;
          if :: holds(p) -> c[p].stage = DONE :: else -> answerNobody(p) fi
       :: else -> answerNobody(p)
       fi }

  /* A release: two statements, two commits. */
  :: d_step { c[p].call == FIRST -> execute(p, FIRST); c[p].call = LAST }
  :: d_step { c[p].call == LAST && c[p].phase != RELEASING -> execute(p, LAST); answerNobody(p) }
  :: d_step { c[p].call == LAST && c[p].phase == RELEASING ->
       execute(p, LAST);
       if :: !c[p].granted -> plead(p) :: else fi;
       ask(p, NONE); rest(p) }

  :: d_step { seat == p || c[p].phase == QUEUED || (c[p].call != NONE && c[p].stage != DONE) ->
       endSession(p) }
  /* Early: the seat is lost and its session goes on, as by a pool's reset query. Where nothing is past
     its look at the seat, this is no different from the end of the session. */
#ifndef ORDERLY
  :: d_step { seat == p && c[p].stage == CHECKED -> seat = NOBODY }
#endif
#if defined(WITHOUT_TAKEOVER_SEAT) || defined(WITHOUT_BEAT_SEAT)
  :: d_step { seat == p -> seat = NOBODY }
#endif
  od
}

/* ------------------------------------------ the world ------------------------------------------- */

inline age(p, misses) {
  if
  :: misses ->
     if :: isBusy(p) -> c[p].missed = 1 :: else fi;
     if :: c[p].phase == BIDDING || c[p].call == BEAT -> c[p].missedAsked = 1 :: else fi
  :: else ->
     if :: (c[p].works || c[p].phase == DRAINING) && c[p].trust < WINDOW(p) -> c[p].trust++ :: else fi;
     if :: (c[p].phase == BIDDING || (holds(p) && c[p].call == BEAT)) && c[p].asked < WINDOW(p) -> c[p].asked++ :: else fi
  fi;
  if :: c[p].seenToken != 0 && c[p].seen < LONGEST -> c[p].seen++ :: else fi;
  if :: (c[p].phase == HEIR || c[p].phase == BIDDING) && c[p].waited < LONGEST -> c[p].waited++ :: else fi;
  if
  :: !trusts(p) ->
     c[p].missed = 0;
     /* The gate has closed by itself; whether its process knows makes no difference. */
     if :: !inTime(p) && holds(p) -> hangUp(p) :: else fi
  :: else
  fi
}

#define mayMiss(p) ((isBusy(p) || c[p].phase == BIDDING) && !c[p].missed && !c[p].missedAsked)

proctype World() {
  do
#ifndef FENCE
  :: d_step { true -> age(0, false); age(1, false) }
#ifndef PUNCTUAL
  :: d_step { mayMiss(0) -> age(0, true); age(1, false) }
  :: d_step { mayMiss(1) -> age(0, false); age(1, true) }
#endif
#endif
  /* The server crashes and loses a mark: the one write that nobody waits for. */
  :: d_step { row.ended ->
       row.ended = 0; handed = 0; endSession(0); endSession(1); rollBack(0); rollBack(1) }
#ifdef PROMOTION
  :: d_step { history == 1 -> copy(replica, row) }
  :: d_step { history == 1 ->
       copy(row, replica); promote; handed = 0;
       if :: history == 2 -> blank(replica) :: else fi;
       endSession(0); endSession(1); rollBack(0); rollBack(1) }
#endif
  od
}

init {
  d_step {
    row.timeline = history; row.holder = NOBODY;
#ifdef PROMOTION
    copy(replica, row);
#endif
    c[0].phase = OUT; c[0].call = NONE; c[0].stage = SENT;
    c[1].phase = OUT; c[1].call = NONE; c[1].stage = SENT
  }
  atomic { run Life(0); run Life(1); run Backend(0); run Backend(1); run World() }
}
