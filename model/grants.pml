/*
 * The grant protocol between balancers and charger-agents, for exhaustive search with Spin. README.md maps every action to
 * the function that it models and says what is left out.
 *
 * Time goes in rounds of about 3 s: the silence after which an agent is not heard, and the grace of a fresh agent. In a
 * round each agent writes, reads back and speaks, then each balancer grants each charger anything that the rules allow.
 * Whatever else happens is a fault, and a run has at most FAULTS of them, at any moments. Offers count in steps of 6 A.
 */

#ifndef N
#define N 3        /* chargers */
#endif
#ifndef TOP
#define TOP 1      /* the most that one wallbox offers */
#endif
#ifndef ROOM
#define ROOM 2     /* what all may offer together */
#endif
#ifndef LEASE
#define LEASE 2    /* ticks after the echoed stamp */
#endif
#ifndef REIGNS
#define REIGNS 2   /* epochs in one run */
#endif
#ifndef LATE_GRANTS
#define LATE_GRANTS 1  /* whether a grant may be late */
#endif
#ifndef LATE_STATES
#define LATE_STATES 1  /* whether a state may be late */
#endif
#ifndef LATEST
#define LATEST LEASE /* the oldest, in ticks, that a state arrives */
#endif
#ifndef FAULTS
#define FAULTS 2   /* messages lost, late or doubled, agents dead or frozen, balancers dead or stalled, in one run */
#endif

#define SILENT 1   /* ticks unheard: not reachable any more */
#define GRACE 1    /* ticks that a fresh agent leaves its wallbox alone */
#define SETTLE_IN 1
#ifdef PATIENCE_SHORT
#define PATIENCE 1 /* shorter than the lease, as a policy with a lease of 30 s has it */
#else
#define PATIENCE (LEASE + 1)
#endif
#ifdef EXTEND_LEASE
#define EXTRA 1
#else
#define EXTRA 0
#endif
#define AGED (2 * LEASE + 2)
#define NONE 9

/* ---- Agents and wallboxes, by charger -------------------------------------------------------------------------- */
byte off[N];       /* what the wallbox really offers */
byte seen[N];      /* what its agent read last */
bit fresh_read[N]; /* whether it read after its last write */
byte up[N];        /* 0 dead, 1 runs, 2 frozen */
byte lease[N];     /* ticks that the grant in force still holds; 0: none */
byte offer[N];     /* the offer of the grant in force */
byte hold[N];      /* ticks that a fresh agent still leaves its wallbox alone */
byte newest[N];    /* epoch of the newest grant taken; 0: none */
byte over[N];      /* which of its leader's promises that grant is no older than, a bit each */
byte ap[N];        /* epoch of the grant named as applied; 0: none */
byte apover[N];    /* the same for the applied grant */
byte apoffer[N];
byte ses[N];
byte cap[N];       /* ceiling of wallbox, cable or a car that drew too much (DERATE) */

/* ---- Balancers: reign, and the book and desk of each charger ------------------------------------------------------ */
byte epoch[2];     /* 0: stands by */
bit rival[2];      /* heard of a higher epoch */
byte reign[2];     /* ticks since it began, up to PATIENCE */
byte known[2 * N]; /* session heard + 1; 0: never heard */
byte echo[2 * N];  /* age of the newest stamp heard, on the agent's clock */
byte quiet[2 * N]; /* ticks since heard */
byte conf[2 * N];  /* the offer that was read back */
byte granted[2 * N];
byte follows[2 * N]; /* 0 nothing applied yet, 1 an older epoch, 2 this one */
byte out[2 * N * TOP]; /* per offer: age of the echo of the newest grant that may still be acted on */

/* ---- The post: what is late. Everything else arrives at once or never ------------------------------------------ */
bit lg_on; byte lg_c, lg_epoch, lg_offer, lg_age, lg_ses, lg_over; bit lg_old, lg_u;
bit ls_on; byte ls_c, ls_ses, ls_age, ls_seen, ls_ap, ls_apover, ls_apoffer; bit ls_fb; bit ls_new[2];

byte epochs;       /* the highest epoch given out: the store */
byte faults;
byte once[N];      /* ghost: the highest epoch that this session took */
byte met[N];       /* ghost: the highest epoch that this charger confirmed */
byte done;         /* ghost: what happened, for the searches that show that it can happen (SHOW) */

byte cc, ll;       /* whose turn it is in the round */
bit u;              /* the grant in hand may raise: its balancer was fenced */
byte c, l, k, v, s, n, m, i, t, choice;  /* scratch; 0 between actions */
byte h_ses, h_age, h_seen, h_ap, h_apover, h_apoffer; bit h_fb, ok, was_fenced;

#define X (l * N + c)
#define OUT(who, which, what) out[((who) * N + (which)) * TOP + (what) - 1]
#define BIT(what) (1 << ((what) - 1))
#define ALL ((1 << TOP) - 1)
#define IN_FORCE(which) (lease[which] > 0)
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define WANTED(which) (IN_FORCE(which) -> MIN(offer[which], cap[which]) : (hold[which] > 0 -> off[which] : 0))
#define REACHABLE(x) (known[x] > 0 && quiet[x] <= SILENT)

#ifdef SHOW
#define HAPPENED(what) if :: SHOW == (what) -> assert(false) :: else fi
#else
#define HAPPENED(what) skip
#endif

/* The state that the agent of charger c would say now. An order that was not read back yet counts (PENDING_UNTOLD: not). */
inline say() {
  h_ses = ses[c]; h_age = 0; h_ap = ap[c]; h_apover = apover[c]; h_apoffer = apoffer[c];
#ifdef PENDING_UNTOLD
  h_seen = seen[c];
#else
  h_seen = (fresh_read[c] -> seen[c] : MAX(seen[c], off[c]));
#endif
  h_fb = (lease[c] == 0 && hold[c] == 0)
}

/* Agent c names the grant in force once it is read back (SafetyLoop._name_applied). */
inline name_applied() {
  if
  :: IN_FORCE(c) && fresh_read[c] && seen[c] == MIN(offer[c], cap[c]) ->
     ap[c] = newest[c]; apover[c] = over[c]; apoffer[c] = offer[c];
     met[c] = MAX(met[c], ap[c])
  :: else
  fi
}

/* Agent c hears the grant (epoch k, offer v, echo t ticks old and of session s, order m) (Lease.hear). */
inline take(is_old) {
  ok = (up[c] == 1 && s == ses[c] && t < LEASE + EXTRA);
#ifndef FORGET_EPOCH
  ok = ok && k >= newest[c];
#endif
#ifndef FORGET_SEQ
  ok = ok && !(k == newest[c] && is_old);
#endif
  if
  :: ok ->
     /* Property 3: neither an older epoch nor an older grant of the same epoch is taken. */
     assert(k >= once[c]);
     assert(!(k == once[c] && is_old));
     once[c] = k;
     printf("agent %d takes the grant of %d, epoch %d\n", c, v, k);
     newest[c] = k;
#ifdef FENCE_RAISES
     offer[c] = v;
#else
     offer[c] = (u -> v : MIN(v, off[c]));
#endif
     lease[c] = LEASE + EXTRA - t; over[c] = m; hold[c] = 0;
     name_applied()
  :: else
  fi
}

/* What balancer l books charger c at: Book.booked_a and Position.booked_a. The result is n. */
inline book(which) {
  n = granted[l * N + which];
#ifndef SKIP_CONFIRM
  i = l * N + which;
  if
  :: known[i] == 0 -> n = TOP
  :: else ->
     n = MAX(n, conf[i]);
     v = 1;
     do :: v > TOP -> break :: else -> if :: OUT(l, which, v) != NONE -> n = MAX(n, v) :: else fi; v++ od;
#ifdef FREE_ON_SILENCE
     if :: quiet[i] > SILENT -> n = 0 :: else fi
#else
     if :: quiet[i] > SILENT -> n = TOP :: else fi
#endif
     ;
#ifndef PATIENT_BOOK_LOW
     if :: follows[i] != 2 && reign[l] >= PATIENCE -> n = TOP :: else fi
#endif
  fi;
#endif
  v = 0; i = 0
}

/* Whether reign l may raise: Balancer._is_fenced. The result is ok. */
inline fenced() {
  ok = true;
#ifndef RAISE_BEFORE_FENCE
  k = 0;
  do
  :: k >= N -> break
  :: else ->
     i = l * N + k;
     if
     :: follows[i] == 2
     :: follows[i] != 2 && reign[l] >= SETTLE_IN && !REACHABLE(i)
     :: follows[i] != 2 && REACHABLE(i) && reign[l] >= PATIENCE
     :: else -> ok = false
     fi;
     k++
  od;
  k = 0; i = 0
#endif
}

/* Balancer l hears the state in h_… of charger c (Balancer.hear_state, Desk.hear, Book.heard, Sender.hear). */
inline hear(is_new) {
  printf("balancer %d hears of %d: offers %d, applied epoch %d\n", l, c, h_seen, h_ap);
  if :: h_ap > epoch[l] -> rival[l] = 1 :: else fi;
  fenced(); was_fenced = ok;
  ok = is_new;
  if
  :: known[X] > h_ses + 1 ->
#ifdef SESSION_RETURNS
     ok = (quiet[X] > SILENT)
#else
     ok = false
#endif
  :: else
  fi;
  if
  :: ok ->
     v = 1;
     do
     :: v > TOP -> break
     :: else ->
        if
        :: OUT(l, c, v) == NONE
        :: OUT(l, c, v) != NONE && (known[X] != h_ses + 1 || OUT(l, c, v) > h_age + LEASE
           || h_ap > epoch[l] || (h_ap == epoch[l] && (h_apover & BIT(v))
#ifndef FREE_APPLIED
           && h_apoffer != v
#endif
           )) -> OUT(l, c, v) = NONE
        :: else
        fi;
        v++
     od;
     v = 0;
     quiet[X] = (known[X] == h_ses + 1 -> MIN(h_age, SILENT + 1) : 0);
     if :: h_ap != 0 -> follows[X] = (h_ap == epoch[l] -> 2 : 1) :: else fi;
     if
     :: known[X] != h_ses + 1 || follows[X] == 0 || h_fb -> granted[X] = h_seen
#ifndef STALE_INHERITANCE
     :: known[X] == h_ses + 1 && follows[X] != 0 && !h_fb && (!was_fenced || follows[X] != 2) -> granted[X] = MIN(granted[X], h_seen)
#endif
     :: else
     fi;
     known[X] = h_ses + 1; echo[X] = h_age; conf[X] = h_seen
  :: else
  fi;
  h_ses = 0; h_age = 0; h_seen = 0; h_ap = 0; h_apover = 0; h_apoffer = 0; h_fb = 0; was_fenced = 0
}

/* Balancer l promises v to charger c: Desk.grant and Book.granted. The grant is then k, v, s, t, m. */
inline promise() {
  k = epoch[l]; s = known[X] - 1; t = echo[X];
  printf("balancer %d grants %d to %d (had %d)\n", l, v, c, granted[X]);
  granted[X] = v;
  if
  :: v > 0 ->
     OUT(l, c, v) = t;
     /* Nothing that was said before is as new as this promise. */
     if :: newest[c] == k -> over[c] = over[c] & (ALL - BIT(v)) :: else fi;
     if :: ap[c] == k -> apover[c] = apover[c] & (ALL - BIT(v)) :: else fi;
     if :: lg_on && lg_c == c && lg_epoch == k -> lg_over = lg_over & (ALL - BIT(v)) :: else fi;
     if :: ls_on && ls_c == c && ls_ap == k -> ls_apover = ls_apover & (ALL - BIT(v)) :: else fi
  :: else
  fi;
  m = ALL
}

/* A late grant that no agent can take any more is no matter of interest. */
inline prune_post() {
  if :: lg_on && lg_ses == ses[lg_c] && lg_age < LEASE && lg_epoch < newest[lg_c] -> HAPPENED(6) :: else fi;
  if
  :: lg_on && (lg_ses != ses[lg_c] || lg_age >= LEASE + EXTRA
#ifndef FORGET_EPOCH
     || (lg_epoch < newest[lg_c] && lg_epoch < once[lg_c])
#endif
#ifndef FORGET_SEQ
     || (lg_old && lg_epoch == newest[lg_c])
#endif
     ) -> lg_on = 0
  :: else
  fi;
  if :: !lg_on -> lg_c = 0; lg_epoch = 0; lg_offer = 0; lg_age = 0; lg_ses = 0; lg_over = 0; lg_old = 0; lg_u = 0 :: else fi;
  if
  :: !ls_on -> ls_c = 0; ls_ses = 0; ls_age = 0; ls_seen = 0; ls_ap = 0; ls_apover = 0; ls_apoffer = 0; ls_fb = 0;
     ls_new[0] = 0; ls_new[1] = 0
  :: else
  fi
}

inline step_down() {
  if :: epoch[l] > 0 -> printf("balancer %d leads no more\n", l) :: else fi;
  epoch[l] = 0; rival[l] = 0; reign[l] = 0;
  c = 0;
  do
  :: c >= N -> break
  :: else ->
     known[X] = 0; echo[X] = 0; quiet[X] = 0; conf[X] = 0; granted[X] = 0; follows[X] = 0;
     v = 1;
     do :: v > TOP -> break :: else -> OUT(l, c, v) = NONE; v++ od;
     c++
  od;
  v = 0
}

/* Property 1: never more than the room. Property of the book: the newest fenced reign books what a wallbox offers. */
inline judge() {
  n = 0; c = 0;
  do :: c >= N -> break :: else -> n = n + off[c]; c++ od;
  assert(n <= ROOM);
#ifdef COVER
  l = (epoch[0] > epoch[1] -> 0 : 1);
  if
  :: epoch[l] == epochs && !rival[l] ->
     fenced();
     if
     :: ok ->
        c = 0;
        do :: c >= N -> break :: else -> book(c); assert(off[c] <= n); c++ od
     :: else
     fi
  :: else
  fi;
#endif
  n = 0; c = 0; l = 0; ok = 0; k = 0; s = 0; t = 0; m = 0; v = 0; i = 0; u = 0; choice = 0
}

/* ---- The actions ----------------------------------------------------------------------------------------------- */

inline tick() {
  printf("---- a tick passes\n");
  c = 0;
  do
  :: c >= N -> break
  :: else ->
     if :: hold[c] > 0 -> hold[c]-- :: else fi;
     if
     :: lease[c] > 0 ->
        lease[c]--;
        if :: lease[c] == 0 -> hold[c] = 0; offer[c] = 0; over[c] = 0; if :: up[c] == 1 -> HAPPENED(5) :: else fi :: else fi
     :: else
     fi;
     c++
  od;
  l = 0;
  do
  :: l >= 2 -> break
  :: else ->
     if
     :: epoch[l] > 0 ->
        if :: reign[l] < PATIENCE -> reign[l]++ :: else fi;
        c = 0;
        do
        :: c >= N -> break
        :: else ->
           if :: known[X] > 0 -> echo[X] = MIN(echo[X] + 1, LEASE + 1); quiet[X] = MIN(quiet[X] + 1, SILENT + 1) :: else fi;
           v = 1;
           do
           :: v > TOP -> break
           :: else -> if :: OUT(l, c, v) < AGED && OUT(l, c, v) != NONE -> OUT(l, c, v)++ :: else fi; v++
           od;
           c++
        od
     :: else
     fi;
     l++
  od;
  if :: lg_on -> lg_age++ :: else fi;
  if :: ls_on -> ls_age++; if :: ls_age > LATEST -> ls_on = 0 :: else fi :: else fi;
  prune_post()
}

inline write() {
  /* Property 3: what is written under a grant is written within its lease, counted from the echoed stamp. */
  if :: IN_FORCE(c) -> assert(lease[c] > EXTRA) :: else fi;
  t = WANTED(c);
  printf("agent %d writes %d\n", c, t);
  if :: done == 2 && t > off[c] -> HAPPENED(2) :: else fi;
  if :: t < off[c] -> done = MAX(done, 1) :: else fi;
  off[c] = t; fresh_read[c] = 0;
}

inline read_back() { printf("agent %d reads back %d\n", c, off[c]); seen[c] = off[c]; fresh_read[c] = 1; name_applied() }

inline die() { printf("agent %d dies\n", c); up[c] = 0; lease[c] = 0; hold[c] = 0; offer[c] = 0; over[c] = 0 }

/* A dead agent's successor knows nothing; a frozen one finds the gap in its ticks and starts as anew. */
inline restart() {
  printf("agent %d starts anew\n", c);
  ses[c]++; up[c] = 1; hold[c] = GRACE; newest[c] = 0; once[c] = 0; ap[c] = 0; apover[c] = 0; apoffer[c] = 0;
  seen[c] = off[c]; fresh_read[c] = 1;
  prune_post()
}

inline thaw() {
  printf("agent %d goes on after it was frozen\n", c);
  up[c] = 1;
  hold[c] = (lease[c] > 0 -> MIN(GRACE, lease[c]) : 0);
  lease[c] = 0; offer[c] = 0; over[c] = 0; ap[c] = 0; apover[c] = 0; apoffer[c] = 0
}

inline begin_reign() {
  epochs++; epoch[l] = epochs;
#ifdef STORE_WIPED
  epoch[l] = 1;
#endif
  printf("balancer %d leads under epoch %d\n", l, epoch[l]);
  ls_new[l] = ls_on
}

inline snap() {
  say();
  ls_on = 1; ls_c = c; ls_ses = h_ses; ls_age = 0; ls_seen = h_seen; ls_ap = h_ap; ls_apover = h_apover;
  ls_apoffer = h_apoffer; ls_fb = h_fb; ls_new[0] = 1; ls_new[1] = 1;
  h_ses = 0; h_seen = 0; h_ap = 0; h_apover = 0; h_apoffer = 0; h_fb = 0
}

/* Whether balancer l may raise charger c to choice; ok. Desk.is_settled, then transition._raised. */
inline may_raise() {
  fenced();
  ok = ok && known[X] > 0 && quiet[X] <= SILENT && conf[X] == granted[X] && (follows[X] == 2 || reign[l] < PATIENCE);
  v = granted[X] + 1;
  do :: v > TOP -> break :: else -> ok = ok && (OUT(l, c, v) == NONE); v++ od;
  if
  :: ok ->
     s = 0; t = 0;
     do :: s >= N -> break :: else -> if :: s != c -> book(s); t = t + n :: else fi; s++ od;
     ok = (t + choice <= ROOM)
  :: else
  fi;
  n = 0; s = 0; t = 0; v = 0
}

inline judge_raise() {
  /* Property 2: the others have come down already. */
  n = choice; s = 0;
  do :: s >= N -> break :: else -> if :: s != c -> n = n + off[s] :: else fi; s++ od;
  assert(n <= ROOM);
  /* Property 7: each charger confirmed this epoch, or is booked at the most that its wallbox offers. */
  s = 0;
  do
  :: s >= N -> break
  :: else -> book(s); assert(met[s] >= epoch[l] || n == TOP); s++
  od;
  HAPPENED(1);
  if :: done == 1 -> done = 2 :: else fi;
  if :: epoch[l] > 1 -> HAPPENED(3) :: else fi;
  s = 0;
  do :: s >= N -> break :: else -> if :: quiet[l * N + s] > SILENT -> HAPPENED(4) :: else fi; s++ od;
  n = 0; s = 0
}

/* ---- A round ------------------------------------------------------------------------------------------------- */

#define MAY_FAIL (faults < FAULTS)
#ifdef FREE
#undef MAY_FAIL
#define MAY_FAIL true
#define FAULT printf("  a fault\n")
#else
#define FAULT faults++; printf("  a fault\n")
#endif

/* Agent c writes what it should and reads it back; a slow line keeps it waiting. */
inline act() {
  if
  :: d_step { up[cc] == 1 && off[cc] != WANTED(cc) -> c = cc; write(); judge() }
  :: d_step { up[cc] == 1 && off[cc] != WANTED(cc) && MAY_FAIL -> FAULT }
  :: else
  fi;
  if
  :: d_step { up[cc] == 1 && !fresh_read[cc] -> c = cc; read_back(); judge() }
  :: d_step { up[cc] == 1 && !fresh_read[cc] && MAY_FAIL -> FAULT }
  :: else
  fi
}

#define HEARS(who) (epoch[who] > 0 && !rival[who] && up[cc] == 1)

/* Agent c speaks: each balancer hears it or, by a fault, does not; a copy may stay under way. */
inline speak() {
  if
  :: d_step { LATE_STATES && MAY_FAIL && up[cc] == 1 && !ls_on -> c = cc; snap(); FAULT; judge() }
  :: skip
  fi;
  if
  :: d_step { HEARS(0) -> c = cc; l = 0; say(); hear(true); if :: ls_on && ls_c == c -> ls_new[l] = 0 :: else fi; judge() }
  :: d_step { HEARS(0) && MAY_FAIL -> FAULT }
  :: else
  fi;
  if
  :: d_step { HEARS(1) -> c = cc; l = 1; say(); hear(true); if :: ls_on && ls_c == c -> ls_new[l] = 0 :: else fi; judge() }
  :: d_step { HEARS(1) && MAY_FAIL -> FAULT }
  :: else
  fi
}

/* What is late arrives, perhaps not for the last time; or it does not arrive yet, or never. */
inline deliver() {
  if
  :: d_step { lg_on -> c = lg_c; k = lg_epoch; v = lg_offer; t = lg_age; s = lg_ses; m = lg_over; u = lg_u; take(lg_old); prune_post(); judge() }
  :: d_step { lg_on -> lg_on = 0; prune_post(); judge() }
  :: skip
  fi;
  l = 0;
  do
  :: l >= 2 -> l = 0; break
  :: else ->
     if
     :: d_step { ls_on && epoch[l] > 0 && !rival[l] ->
          n = l;
          c = ls_c; h_ses = ls_ses; h_age = ls_age; h_seen = ls_seen; h_ap = ls_ap; h_apover = ls_apover;
          h_apoffer = ls_apoffer; h_fb = ls_fb;
          hear(ls_new[l] || known[X] > h_ses + 1); ls_new[l] = 0; c = 0; ok = 0; v = 0; n = 0
        }
     :: skip
     fi;
     l++
  od;
  if :: d_step { ls_on -> ls_on = 0; prune_post() } :: skip fi;
  skip;
  d_step { judge() }
}

#define POST lg_on = 1; lg_c = c; lg_epoch = k; lg_offer = v; lg_age = t; lg_ses = s; lg_over = m; lg_u = u

/* Balancer ll grants charger cc what it has or, by the rules, anything else. */
inline grant() {
  d_step { c = cc; l = ll }
  select (choice : 0 .. TOP);
  skip;
  d_step {
    ok = true;
    if
    :: choice > granted[X] -> may_raise(); if :: ok -> judge_raise() :: else -> choice = granted[X]; ok = true fi
    :: else
    fi
  }
  if
  :: ok ->
     d_step { fenced(); u = (ok && follows[X] == 2); v = choice; promise(); if :: lg_on && lg_c == c && lg_epoch == k -> lg_old = 1 :: else fi; choice = 0 }
     /* The rival hears it, or by a fault does not. */
     if
     :: d_step { epoch[1 - l] > 0 && epoch[1 - l] < k && !rival[1 - l] -> rival[1 - l] = 1 }
     :: d_step { epoch[1 - l] > 0 && epoch[1 - l] < k && !rival[1 - l] && MAY_FAIL -> FAULT }
     :: else
     fi;
     if
     :: d_step { true -> take(false); prune_post(); judge() }
     :: d_step { MAY_FAIL -> FAULT; judge() }
     :: d_step { LATE_GRANTS && MAY_FAIL && !lg_on && up[c] -> FAULT; POST; prune_post(); judge() }
     :: d_step { LATE_GRANTS && MAY_FAIL && !lg_on && up[c] == 1 -> FAULT; POST; take(false); prune_post(); judge() }
     fi
  :: else -> d_step { judge() }
  fi
}

init {
  d_step {
    c = 0;
    do :: c >= N -> break :: else -> up[c] = 1; fresh_read[c] = 1; cap[c] = TOP; ses[c] = 0; c++ od;
    l = 0;
    do :: l >= 2 -> break :: else -> step_down(); l++ od;
    l = 0; c = 0
  }

end:
  do
  :: d_step { true -> tick(); judge() }
     cc = 0;
     do
     :: atomic { cc < N ->
          if
          :: d_step { up[cc] == 1 && MAY_FAIL -> c = cc; die(); FAULT; prune_post(); judge() }
          :: d_step { up[cc] == 1 && MAY_FAIL -> up[cc] = 2; FAULT }
          :: d_step { up[cc] == 0 -> c = cc; restart(); judge() }
          :: d_step { up[cc] == 2 -> c = cc; thaw(); judge() }
#ifdef DERATE
          :: d_step { up[cc] == 1 && MAY_FAIL -> cap[cc] = (cap[cc] == TOP -> TOP - 1 : TOP); FAULT }
#endif
          :: skip
          fi;
          act(); speak(); cc++
        }
     :: else -> break
     od;
     ll = 0;
     do
     :: ll < 2 ->
        atomic {
          if
          :: d_step { epoch[ll] == 0 && epochs < REIGNS && (epochs > 0 || ll == 0) -> l = ll; begin_reign(); judge() }
          :: d_step { epoch[ll] > 0 && MAY_FAIL -> l = ll; step_down(); FAULT; judge() }
          :: d_step { epoch[ll] > 0 && rival[ll] -> HAPPENED(7); l = ll; step_down(); judge() }
          :: epoch[ll] == 0 || !rival[ll]
          fi;
          deliver();
          /* A frozen balancer grants nothing in this round. */
          if
          :: epoch[ll] > 0 -> cc = 0
          :: d_step { epoch[ll] > 0 && MAY_FAIL -> FAULT; cc = N }
          :: epoch[ll] == 0 -> cc = N
          fi
        }
        do
        :: atomic { cc < N ->
             if
             :: epoch[ll] > 0 && !rival[ll] && known[ll * N + cc] > 0 && echo[ll * N + cc] < LEASE + EXTRA -> grant(); act(); speak()
             :: else
             fi;
             cc++
           }
        :: else -> break
        od;
        ll++
     :: else -> break
     od;
     skip;
     d_step { ll = 0; cc = 0 }
  od
}
