"""Who is one customer: a walk over the links between identities that occur on one event (docs/stitching.md)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from tests.audit.landed.lake import Event
from tests.audit.landed.settings import LOGINS, PRODUCT_KINDS, Settings

Identity = tuple[str, str]
Links = dict[Identity, set[Identity]]


class Stitched:
    """The customer of every event, and how the event is linked to that customer."""

    def __init__(self, events: list[Event], settings: Settings) -> None:
        asked = settings.identities
        self.logins = set(asked.get("logins", LOGINS))
        lower = set(asked.get("lower", ["email_hash", "phone_hash"]))
        trim = asked.get("trim", True)
        deny = asked.get("deny", ["", "unknown", "0"])
        kinds = list(asked.get("kinds", [*LOGINS, "device_id", "anonymous_id"]))
        unique = list(asked.get("unique", ["customer_id"]))
        known = {*kinds, *self.logins, *unique, *lower, *PRODUCT_KINDS}
        self.order = {kind: rank for rank, kind in enumerate([*kinds, *sorted(known - set(kinds))])}

        def normal(kind: str, value: str) -> str:
            value = value.strip() if trim else value
            return value.lower() if kind in lower else value

        denied = {kind: {normal(kind, value) for value in deny} for kind in known}
        self.combinations: list[tuple[Identity, ...]] = []
        for event in events:
            usable = {(kind, normal(kind, value)) for kind, value in event.identities if kind in known}
            self.combinations.append(tuple(sorted((i for i in usable if i[1] not in denied[i[0]]), key=self.trust)))
        self.shared: set[Identity] = set()
        self.of: dict[Identity, Identity] = {}
        self._join(settings.identities.get("max_degree", 20), sorted(unique, key=self.order.__getitem__))
        self.members: dict[Identity, list[Identity]] = defaultdict(list)
        for identity, root in self.of.items():
            self.members[root].append(identity)
        self.key = {root: min(members, key=self.trust) for root, members in self.members.items()}
        named = {
            root
            for root, members in self.members.items()
            if any(i[0] in self.logins for i in set(members) - self.shared)
        }
        self.customers: list[Identity] = []
        self.linked: list[str] = []
        on_shared = self._logins_on_shared(events, settings.length("session_gap", "30m"))
        for event, usable in zip(events, self.combinations, strict=True):
            linking = [identity for identity in usable if identity not in self.shared]
            if linking:
                root = self.of[linking[0]]
                by_login = any(identity[0] in self.logins for identity in linking)
                self.customers.append(self.key[root])
                self.linked.append("login" if by_login else "device" if root in named else "anonymous")
            elif usable:
                near = on_shared[usable[0]].near(event.at)
                self.customers.append(near or usable[0])
                self.linked.append("session" if near else "anonymous")
            else:
                self.customers.append(("event_id", event.id))
                self.linked.append("anonymous")

    def trust(self, identity: Identity) -> tuple[int, str]:
        """Identities in order of trust; of one kind, by value."""
        return self.order[identity[0]], identity[1]

    def identities_of(self, customer: Identity) -> list[Identity]:
        """The identities of a customer, the most trusted first."""
        return sorted(self.members[self.of[customer]], key=self.trust) if customer in self.of else [customer]

    def _join(self, max_degree: int, unique: list[str]) -> None:
        links: Links = defaultdict(set)
        for usable in set(self.combinations):
            for identity in usable:
                links[identity]  # an identity alone is a customer, too
            for one, other in combinations(usable, 2):
                links[one].add(other)
                links[other].add(one)
        for identity, others in links.items():
            # A login may have any number of devices: only other logins make it a shared one.
            counted = [o for o in others if not (identity[0] in self.logins and o[0] not in self.logins)]
            if len(counted) > max_degree:
                self.shared.add(identity)
        for identity in links:
            if identity not in self.of:
                for member in self._reached([identity], links):
                    self.of[member] = identity
        for kind in unique:
            self._split(kind, links)

    def _reached(self, start: Iterable[Identity], links: Links) -> list[Identity]:
        found = list(start)
        seen = set(found)
        if found[0] in self.shared:
            return found
        for identity in found:
            for other in links[identity] - self.shared:
                if other not in seen:
                    seen.add(other)
                    found.append(other)
        return found

    def _split(self, kind: str, links: Links) -> None:
        """Gives every identity to the nearest value of a unique kind; one as near to two is shared."""
        components: dict[Identity, list[Identity]] = defaultdict(list)
        for identity in self.of:
            if identity not in self.shared:
                components[self.of[identity]].append(identity)
        for members in components.values():
            values = [identity for identity in members if identity[0] == kind]
            if len(values) < 2:
                continue
            owners: dict[Identity, set[Identity]] = {value: {value} for value in values}
            edge = dict(owners)
            while edge:
                following: dict[Identity, set[Identity]] = defaultdict(set)
                for identity, near in edge.items():
                    for other in links[identity]:
                        if other not in owners and other not in self.shared and self.of[other] == self.of[identity]:
                            following[other] |= near
                owners |= following
                edge = following
            tied = {identity for identity, near in owners.items() if len(near) > 1}
            for identity, near in owners.items():
                self.of[identity] = identity if identity in tied else next(iter(near))
            self.shared |= tied
            for identity in members:
                links[identity] = {o for o in links[identity] if self.of.get(o) == self.of[identity]}

    def _logins_on_shared(self, events: list[Event], gap: int) -> dict[Identity, _Logins]:
        rows: dict[Identity, list[tuple[int, tuple[int, str] | None]]] = defaultdict(list)
        for event, usable in zip(events, self.combinations, strict=True):
            linking = [identity for identity in usable if identity not in self.shared]
            by_login = any(identity[0] in self.logins for identity in linking)
            login = self.trust(self.key[self.of[linking[0]]]) if by_login else None
            for identity in usable:
                if identity in self.shared:
                    rows[identity].append((event.at, login))
        kinds = {rank: kind for kind, rank in self.order.items()}
        return {identity: _Logins(found, gap, kinds) for identity, found in rows.items()}


class _Logins:
    """The events on one shared value, and who logged in on it when."""

    def __init__(self, rows: list[tuple[int, tuple[int, str] | None]], gap: int, kinds: dict[int, str]) -> None:
        self.gap, self.kinds = gap, kinds
        self.times = sorted({at for at, _ in rows})
        self.logins: dict[int, tuple[int, str]] = {}
        for at, login in rows:
            if login is not None:
                self.logins[at] = min(login, self.logins.get(at, login))

    def near(self, at: int) -> Identity | None:
        """The nearest login before this time, else after it, within the session of the value."""
        place = bisect_left(self.times, at)
        before = next((t for t in self._run(place, -1) if t in self.logins), None)
        after = next((t for t in self._run(place, 1) if t in self.logins), None)
        found = before if before is not None else after
        return None if found is None else (self.kinds[self.logins[found][0]], self.logins[found][1])

    def _run(self, place: int, way: int) -> Iterable[int]:
        while True:
            yield self.times[place]
            if not 0 <= place + way < len(self.times) or abs(self.times[place + way] - self.times[place]) > self.gap:
                return
            place += way


def latest(changes: list[int], at: int) -> int | None:
    """The position of the newest of rising times up to `at`."""
    place = bisect_right(changes, at)
    return place - 1 if place else None
