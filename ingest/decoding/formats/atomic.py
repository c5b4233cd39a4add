"""Reads Snowplow's enriched event as one flat object: the columns of atomic.events in order, with their types.

In the stream it is a line of tab separated values without a header; the analytics SDKs convert it to JSON. Contexts and
the self-describing event become fields with the SDKs' names, such as `contexts_com_acme_user_1` (a list) and
`unstruct_event_com_acme_search_2` (an object), so both representations give the same object.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from ingest.decoding.columns import type_name
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
_SELF_DESCRIBING: Final = ("contexts", "derived_contexts", "unstruct_event")
_IGLU: Final = re.compile(r"iglu:([\w.-]+)/([\w.-]+)/[\w.-]+/(\d+)-\d+-\d+")


def from_tsv(value: bytes) -> dict[str, Any] | Fault:
    """A line of tab separated values as an object of texts, one per column."""
    try:
        line = value.decode("utf-8")
    except UnicodeDecodeError as error:
        return Fault("not_utf8", None, f"byte {error.start} is not UTF-8")
    cells = line.rstrip("\r\n").split("\t")
    if len(cells) != len(COLUMNS):
        return Fault("not_tsv", None, f"expected {len(COLUMNS)} tab separated columns, found {len(cells)}")
    return dict(zip(COLUMNS, cells, strict=True))


def flatten(row: dict[str, Any]) -> dict[str, Any]:
    """The row with typed values and unpacked contexts, without null and blank fields; amounts of money stay text.

    Raises InvalidPart with the invalid column.
    """
    event = {name: value for name, value in row.items() if value is not None and value != ""}
    for name in _TYPED:
        if type(event.get(name)) is str:
            event[name] = _typed(name, event[name])
    for name in _SELF_DESCRIBING:
        if name in event:
            event |= _unpack(name, event.pop(name))
    return event


def _typed(name: str, text: str) -> Any:
    """The value of a cell in the type of its column; values from JSON already have it."""
    if name in _WHOLE:
        return _require_type(whole(text), int, name, "a whole number")
    if name in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            return _require_type(text, float, name, "a number")
    if name in _YES_NO:
        flag = {"1": True, "0": False, "true": True, "false": False}.get(text, text)
        return _require_type(flag, bool, name, "1 or 0")
    return text if text.endswith("Z") or "+" in text else text.replace(" ", "T", 1) + "Z"


def _require_type(value: Any, expected_type: type, name: str, expected: str) -> Any:
    if type(value) is not expected_type:
        raise InvalidPart("wrong_type", name, f"expected {expected}, found {type_name(value)}")
    return value


def _unpack(column: str, value: Any) -> dict[str, Any]:
    """Self-describing JSON, as text or as an object, as fields with the names of the SDKs."""
    if type(value) is str:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise InvalidPart("wrong_type", column, "expected self-describing JSON, found other text") from None
    data = value.get("data") if type(value) is dict else None
    if column == "unstruct_event":
        return {f"unstruct_event_{_key(column, data)}": data["data"]}  # type: ignore[index] # checked by _key
    if type(data) is not list:
        raise InvalidPart("wrong_type", column, f"expected a list of self-describing data, found {type_name(data)}")
    contexts: dict[str, Any] = {}
    for context in data:
        contexts.setdefault(f"contexts_{_key(column, context)}", []).append(context["data"])
    return contexts


def _key(column: str, entity: Any) -> str:
    """Vendor, name and model version of the schema of self-describing data, as the SDKs write them."""
    schema = entity.get("schema") if type(entity) is dict else None
    match = _IGLU.fullmatch(schema) if type(schema) is str else None
    if match is None or "data" not in entity:
        raise InvalidPart("wrong_type", column, "expected data with an iglu: schema")
    vendor, name, model = match.groups()
    return f"{vendor.lower().replace('.', '_').replace('-', '_')}_{snake(name)}_{model}"
