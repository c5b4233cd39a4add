"""The names under which systems send the fields of an event, each with how well it says what the field is, to 100.

Names are those of `ingest.files.guess.sample.plain_name`: lower case words. They come from the published schemas of
shops, trackers, payment services and process logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SURE: Final = 80
"""A name with so much is sure, unless another one comes near."""


def _scored(text: str) -> Mapping[str, int]:
    """The score of each name: a number and a colon stand before the names that have it."""
    scores, score = dict[str, int](), 0
    for word in text.split():
        if word.endswith(":"):
            score = int(word[:-1])
        else:
            scores[word] = score
    return scores


TIMES: Final = _scored(
    """
    96: occurred_at event_time event_timestamp hit_time_gmt time_timestamp derived_tstamp timestamp_utc
        event_datetime
    94: zeitpunkt zeitstempel ereigniszeit horodatage date_heure fecha_hora data_ora
    94: timestamp time ts event_date_time complete_timestamp browser_time event_start utc_time created_utc
        date_created_gmt
    92: date_time datetime time_stamp end_time_utc order_purchase_timestamp ym_pv_date_time occurred event_at
        event_ts
    90: created_at created order_date invoice_date purchase_date transaction_date purchased_at ordered_at
        transaction_time
    88: date_created date_add created_on creation_date created_date createdate visit_start_time server_time
        action_time
    86: server_timestamp start_timestamp start_time order_time purchase_time purchase_timestamp view_time click_time
    84: datum fecha
    84: date day_time logged_at log_time visit_time visited_at viewed_at request_time event_date post_date
    70: client_event_time original_timestamp collector_tstamp dvce_created_tstamp time_local
    """
)
TIME_WORDS: Final = frozenset(["time", "timestamp", "date", "datetime", "at", "ts", "tstamp", "when", "day", "created"])
NOT_THE_TIME: Final = frozenset(
    _scored(
        """
        0: received receive inserted insert ingested processed processing upload uploaded updated update modified
        sent first last expires expiry due deliver delivered delivery delivering estimated approved ship shipped
        shipping limit cancelled canceled closed birth signup registered paid fulfilled refunded end ended
        joined join load loaded etl collector completed until next previous prev expected planned dob available
        sync synced requested
        """
    )
)
"""Words in the names of times at which something else happened than the event."""

CUSTOMERS: Final = _scored(
    """
    98: person_id person_uuid customer_unique_id external_user_id
    96: customer_id user_id customerid userid
    94: shopper_id member_id household_key household_id buyer_id client_user_id user_uuid customer_number
        customer_no
    92: kundennummer kunden_nr kunden_id kundenid id_cliente cliente_id numero_client id_klienta
    92: distinct_id case_concept_name subscriber_id requester_id contact_id person_key customer_key user_key cust_id
    88: case_id caseid uid player_id patient_id guest_id customer user member account_holder_id student_id
        passenger_id
    82: case username user_name login customer_name loyalty_id card_id
    60: account_id name full_name id_user client user_ref
    """
)
VISITORS: Final = _scored(
    """
    96: anonymous_id user_pseudo_id domain_userid idvisitor full_visitor_id fullvisitor_id fullvisitorid mcvisid
    94: visitor_id visitorid device_id cookie_id ym_pv_client_id ym_s_client_id user_cookie browser_id
        network_userid
    90: client_id clientid cookie visid post_visid_high fingerprint deviceid
    70: amplitude_id profile_id
    """
)
SESSIONS: Final = _scored(
    """
    96: session_id sessionid user_session visit_id ga_session_id domain_sessionid idvisit id_visit ym_pv_visit_id
    90: session visitid id_session sid
    """
)
EMAILS: Final = _scored(
    """
    90: email e_mail email_address customer_email user_email billing_email contact_email mail
    """
)
NAMES: Final = _scored(
    """
    98: event_name
    96: event concept_name eventname ereignis evento evenement
    94: event_type activity event_table_name activity_name
    92: action behavior behavior_type behaviour_type action_name interaction_type event_action interaction
    84: type hit_type action_type activity_type verb operation step
    60: object topic category name page_event event_category
    """
)
PAGES: Final = _scored(
    """
    94: url page_url page_location current_url full_url url_path page_path ym_pv_url request_url page_uri action_url
    84: page uri location path request_path link landing_page
    """
)
ORDERS: Final = _scored(
    """
    96: order_id order_number orderid order_no order_name increment_id
    94: transaction_id transactionid invoice_no invoice_id invoice invoice_number basket_id receipt_id receipt_no
    90: purchase_id sale_id purchaseid booking_id
    """
)
AMOUNTS: Final = _scored(
    """
    96: revenue order_total total_price grand_total order_value sales_value total_amount transaction_revenue
    94: total amount payment_value order_amount net_sales purchase_amount purchase_revenue price_total
        base_grand_total
    84: umsatz betrag montant importe importo
    84: amount_cents total_cents value price cost event_value sale_amount paid_amount
    60: subtotal unit_price net_amount gross_amount
    """
)
CURRENCIES: Final = _scored(
    """
    96: currency currency_code order_currency transaction_currency order_currency_code
    """
)
EVENT_IDS: Final = _scored(
    """
    96: event_id insert_id message_id hit_id event_uuid
    90: uuid id ym_pv_watch_id log_id idlink_va
    """
)
CHANNELS: Final = _scored(
    """
    94: channel sales_channel order_channel kanal canal canale
    84: platform source_name app_type
    """
)
OTHERS: Final[Mapping[str, Mapping[str, int]]] = {
    "referrer": _scored(
        """
    96: referrer referer page_referrer initial_referrer ym_pv_referer
    """
    ),
    "campaign": _scored(
        """
    96: utm_campaign campaign campaign_name
    """
    ),
    "source": _scored(
        """
    96: utm_source traffic_source
    """
    ),
    "medium": _scored(
        """
    96: utm_medium medium
    """
    ),
    "device": _scored(
        """
    96: device_type device_category device
    84: device_family browser_type
    """
    ),
    "country": _scored(
        """
    96: country country_code geo_country
    84: billing_country shipping_country
    """
    ),
}
"""Fields without which an event is whole, with their names."""

OF_ORDERS: Final = frozenset(["billing", "lineitem", "subtotal", "fulfillment", "fulfilled", "financial"])
"""Words in the names of columns that only orders have."""
MINOR: Final = frozenset(["cents", "cent", "pence", "minor", "subunits"])
"""Words in the name of an amount in the smallest unit of its currency."""

STAGES: Final = (
    (
        "Awareness",
        (
            "ad_",
            "impression",
            "campaign",
            "email_open",
            "mail_open",
            "landing",
            "visit",
            "session_start",
            "first_visit",
            "app_open",
            "home",
        ),
    ),
    (
        "Interest",
        ("view", "search", "pageview", "page_", "screen", "browse", "click", "detail", "product", "read", "pv", "list"),
    ),
    (
        "Desire",
        (
            "cart",
            "basket",
            "wish",
            "fav",
            "checkout",
            "quote",
            "trial",
            "sign_up",
            "signup",
            "register",
            "form",
            "shipping",
            "payment_info",
            "coupon",
            "begin",
            "add_",
        ),
    ),
    (
        "Action",
        (
            "purchase",
            "order",
            "bought",
            "buy",
            "transaction",
            "paid",
            "payment",
            "subscri",
            "convert",
            "conversion",
            "charge",
            "booking",
            "booked",
            "sale",
        ),
    ),
)
"""Stages in order, each with what the names of its touchpoints contain; the last that fits is taken."""
GOALS: Final = (
    ("order_placed", "order_completed", "order_complete", "purchase", "purchased", "transaction", "buy", "order_paid"),
    (
        "order",
        "bought",
        "payment",
        "paid",
        "checkout_completed",
        "charge",
        "subscription_started",
        "subscribe",
        "subscribed",
    ),
    ("sign_up", "signup", "signed_up", "registered", "conversion", "converted", "booking", "booked", "lead"),
)
"""Names of goals, the surest first; a name of which a word begins with one of them is a weaker goal."""
NO_GOALS: Final = (
    "fail",
    "cancel",
    "refund",
    "return",
    "declin",
    "abandon",
    "error",
    "remove",
    "start",
    "begin",
    "view",
    "info",
    "option",
    "method",
    "refus",
    "updat",
    "add_",
)
"""Parts of names that are no goals."""
PURCHASES: Final = ("order", "purchase", "transaction", "buy", "bought", "paid", "payment", "charge", "sale")
"""Parts of the names of events that are orders."""
