"""Who is one customer, the slow way: one identity at a time, and a walk over the events of each shared value.

An event is a dict: id, at (seconds), arrived (seconds, may be missing), identities (list of (kind, value)).
"""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]
Identity = tuple[str, str]


def customers(  # noqa: PLR0912
    events: list[Event],
    kinds: list[str],
    logins: list[str],
    deny: list[str],
    max_degree: int,
    gap: float,
    policy: str = "last_login",
    as_of: float | None = None,
    removed: list[tuple[Identity, Identity]] | None = None,
    unique: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    """Customer key and way of linking, for each event."""
    used = {kind for event in events for kind, _ in event["identities"]} | set(unique)
    order = kinds + sorted(used - set(kinds))

    def trust(identity: Identity) -> tuple[int, str]:
        return order.index(identity[0]), identity[1]

    known = {*kinds, *logins, *unique}
    for event in events:
        event["usable"] = sorted({i for i in event["identities"] if i[1] not in deny and i[0] in known}, key=trust)

    pairs = set()
    for event in events:
        if as_of is None or event.get("arrived", event["at"]) <= as_of:
            pairs |= {(a, b) for a in event["usable"] for b in event["usable"] if a != b}
    for a, b in removed or []:
        pairs -= {(a, b), (b, a)}

    others: dict[Identity, set[Identity]] = {}
    for a, b in pairs:
        if not (a[0] in logins and b[0] not in logins):
            others.setdefault(a, set()).add(b)
    shared = {a for a, rest in others.items() if len(rest) > max_degree}

    of = {identity: identity for event in events for identity in event["usable"]}
    links = {(a, b) for a, b in pairs if a not in shared and b not in shared}
    for identity in sorted(of):
        reached = set(_distances(identity, links))
        of[identity] = min(reached)
    for kind in sorted(unique, key=order.index):
        links, tied = _split(of, links, kind, shared)
        shared |= tied

    def root(identity: Identity) -> Identity:
        return of[identity]

    members: dict[Identity, list[Identity]] = {}
    for identity in of:
        members.setdefault(root(identity), []).append(identity)

    def key(identity: Identity) -> str:
        return ":".join(min(members[root(identity)], key=trust))

    def login_customer(event: Event) -> tuple[int, str] | None:
        linking = [i for i in event["usable"] if i not in shared]
        late = as_of is not None and event.get("arrived", event["at"]) > as_of
        if late or not any(i[0] in logins for i in linking):
            return None
        smallest = min(members[root(linking[0])], key=trust)
        return trust(smallest)

    out = []
    for event in events:
        linking = [i for i in event["usable"] if i not in shared]
        if linking:
            known = any(i[0] in logins and i not in shared for i in members[root(linking[0])])
            way = "login" if any(i[0] in logins for i in linking) else "device" if known else "anonymous"
            out.append((key(linking[0]), way))
        elif event["usable"]:
            value = event["usable"][0]
            stream = sorted((e for e in events if value in e["usable"]), key=lambda e: e["at"])
            found = _owner(event, stream, login_customer, gap, policy)
            if found is None:
                out.append((":".join(value), "anonymous"))
            else:
                out.append((f"{order[found[0]]}:{found[1]}", "session"))
        else:
            out.append((f"event_id:{event['id']}", "anonymous"))
    return out


def _distances(start: Identity, links: set[tuple[Identity, Identity]]) -> dict[Identity, int]:
    """How many links lead from one identity to each that it reaches."""
    found, edge, steps = {start: 0}, {start}, 0
    while edge:
        steps += 1
        edge = {b for a, b in links if a in edge} - found.keys()
        found |= dict.fromkeys(edge, steps)
    return found


def _split(
    of: dict[Identity, Identity], links: set[tuple[Identity, Identity]], kind: str, shared: set[Identity]
) -> tuple[set[tuple[Identity, Identity]], set[Identity]]:
    """Gives every identity that several values of the kind reach to the nearest; returns links and tied identities."""
    values = [identity for identity in of if identity[0] == kind and identity not in shared]
    reach = {value: _distances(value, links) for value in values}
    several = {of[a] for a in values for b in values if a != b and b in reach[a]}
    tied = set()
    for identity in [each for each in of if of[each] in several]:
        distances = sorted((reach[value][identity], value) for value in values if identity in reach[value])
        if len(distances) > 1 and distances[0][0] == distances[1][0]:
            tied.add(identity)
            of[identity] = identity
        else:
            of[identity] = distances[0][1]
    return {(a, b) for a, b in links if of[a] == of[b]}, tied


def _owner(event: Event, stream: list[Event], login_customer: Any, gap: float, policy: str) -> tuple[int, str] | None:
    """The customer a shared value's event goes to, as (rank of kind, value), or None."""
    if policy == "never":
        return None
    logins = [(e["at"], login_customer(e)) for e in stream if login_customer(e) is not None]
    if policy == "first_login":
        return min(logins)[1] if logins else None
    times = [e["at"] for e in stream]
    begin = end = event["at"]
    while earlier := [t for t in times if begin - gap <= t < begin]:
        begin = min(earlier)
    while later := [t for t in times if end < t <= end + gap]:
        end = max(later)
    inside = [(t, who) for t, who in logins if begin <= t <= end]
    if policy == "session":
        return inside[0][1] if len({who for _, who in inside}) == 1 else None
    before = [(t, who) for t, who in inside if t <= event["at"]]
    if before:
        latest = max(t for t, _ in before)
        return min(who for t, who in before if t == latest)
    return min(inside)[1] if inside else None
