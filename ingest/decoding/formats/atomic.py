"""The enriched event of Snowplow as one flat object: the columns of atomic.events in their order, and their types.

The stream carries it as tab separated values without a header; the analytics SDKs write the same as JSON. Contexts
and the self-describing event are spread out under the SDKs' names, such as `contexts_com_acme_user_1` (a list) and
`unstruct_event_com_acme_search_2` (an object), so that both ways of writing give one object.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from ingest.decoding.columns import name_of
from ingest.decoding.formats.envelope import Fault, InvalidPart
from ingest.decoding.formats.values import snake, whole

_IN_ORDER: Final = """
    app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
    v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid
    geo_country geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization
    ip_domain ip_netspeed page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath
    page_urlquery page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery
    refr_urlfragment refr_medium refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign
    contexts se_category se_action se_label se_property se_value unstruct_event tr_orderid tr_affiliation tr_total
    tr_tax tr_shipping tr_city tr_state tr_country ti_orderid ti_sku ti_name ti_category ti_price ti_quantity
    pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max useragent br_name br_family br_version br_type
    br_renderengine br_lang br_features_pdf br_features_flash br_features_java br_features_director
    br_features_quicktime br_features_realplayer br_features_windowsmedia br_features_gears br_features_silverlight
    br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family os_manufacturer os_timezone dvce_type
    dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width doc_height tr_currency tr_total_base
    tr_tax_base tr_shipping_base ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network
    etl_tags dvce_sent_tstamp refr_domain_userid refr_device_tstamp derived_contexts domain_sessionid
    derived_tstamp event_vendor event_name event_format event_version event_fingerprint true_tstamp
"""
COLUMNS: Final[tuple[str, ...]] = tuple(_IN_ORDER.split())
_WHOLE_NUMBERS: Final = """
    txn_id domain_sessionidx page_urlport refr_urlport ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min
    pp_yoffset_max br_viewwidth br_viewheight dvce_screenwidth dvce_screenheight doc_width doc_height
"""
_WHOLE: Final = frozenset(_WHOLE_NUMBERS.split())
_NUMBERS: Final = frozenset({"geo_latitude", "geo_longitude", "se_value"})
_YES_NO: Final = frozenset(
    {"br_cookies", "dvce_ismobile"} | {name for name in COLUMNS if name.startswith("br_features_")}
)
_TIMES: Final = frozenset(name for name in COLUMNS if name.endswith("_tstamp"))
_TYPED: Final = tuple(name for name in COLUMNS if name in _WHOLE | _NUMBERS | _YES_NO | _TIMES)
_DESCRIBED: Final = ("contexts", "derived_contexts", "unstruct_event")
_IGLU: Final = re.compile(r"iglu:([\w.-]+)/([\w.-]+)/[\w.-]+/(\d+)-\d+-\d+")


def from_tsv(value: bytes) -> dict[str, Any] | Fault:
    """A line of tab separated values as an object without its blank fields; amounts of money stay text."""
    try:
        line = value.decode("utf-8")
    except UnicodeDecodeError as error:
        return Fault("not_utf8", None, f"byte {error.start} is not UTF-8")
    cells = line.rstrip("\r\n").split("\t")
    if len(cells) != len(COLUMNS):
        return Fault("not_tsv", None, f"expected {len(COLUMNS)} tab separated columns, found {len(cells)}")
    return dict(zip(COLUMNS, cells, strict=True))


def flatten(given: dict[str, Any]) -> dict[str, Any]:
    """The object with typed values, without those that are null or blank, its contexts spread out.

    Raises Unfit, with the column at fault.
    """
    event = {name: held for name, held in given.items() if held is not None and held != ""}
    for name in _TYPED:
        if type(event.get(name)) is str:
            event[name] = _typed(name, event[name])
    for name in _DESCRIBED:
        if name in event:
            event |= _spread(name, event.pop(name))
    return event


def _typed(name: str, held: str) -> Any:
    """What the text of a cell means; JSON comes typed."""
    if name in _WHOLE:
        return _asked(whole(held), int, name, "a whole number")
    if name in _NUMBERS:
        try:
            return float(held)
        except ValueError:
            return _asked(held, float, name, "a number")
    if name in _YES_NO:
        return _asked({"1": True, "0": False, "true": True, "false": False}.get(held, held), bool, name, "1 or 0")
    return held if held.endswith("Z") or "+" in held else held.replace(" ", "T", 1) + "Z"


def _asked(value: Any, kind: type, name: str, expected: str) -> Any:
    if type(value) is not kind:
        raise InvalidPart("wrong_type", name, f"expected {expected}, found {name_of(value)}")
    return value


def _spread(column: str, held: Any) -> dict[str, Any]:
    """Self-describing JSON, as text or as an object, under the names of the SDKs."""
    if type(held) is str:
        try:
            held = orjson.loads(held)
        except orjson.JSONDecodeError:
            raise InvalidPart("wrong_type", column, "expected self-describing JSON, found other text") from None
    data = held.get("data") if type(held) is dict else None
    if column == "unstruct_event":
        return {f"unstruct_event_{_key(column, data)}": data["data"]}  # type: ignore[index] # _key has looked
    if type(data) is not list:
        raise InvalidPart("wrong_type", column, f"expected a list of self-describing data, found {name_of(data)}")
    spread: dict[str, Any] = {}
    for context in data:
        spread.setdefault(f"contexts_{_key(column, context)}", []).append(context["data"])
    return spread


def _key(column: str, described: Any) -> str:
    schema = described.get("schema") if type(described) is dict else None
    found = _IGLU.fullmatch(schema) if type(schema) is str else None
    if found is None or "data" not in described:
        raise InvalidPart("wrong_type", column, "expected data with an iglu: schema")
    vendor, name, model = found.groups()
    return f"{vendor.lower().replace('.', '_').replace('-', '_')}_{snake(name)}_{model}"
