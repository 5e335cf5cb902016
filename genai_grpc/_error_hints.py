"""What to do about the reasons of refused calls that the service names (ErrorInfo).

The reasons and their meanings are those of google/api/error_reason.proto.
"""

from __future__ import annotations

from typing import Final

__all__ = ["HINTS", "hint"]

# Whose reasons these are: another domain may mean something else by the same name (https://google.aip.dev/193).
DOMAIN: Final = "googleapis.com"
HINTS: Final = {
    "API_KEY_INVALID": "the key is malformed, deleted or expired; copy it again from https://aistudio.google.com/apikey",
    "API_KEY_SERVICE_BLOCKED": "the key is restricted to other APIs; add this one to the API restrictions of the key",
    "API_KEY_HTTP_REFERRER_BLOCKED": "the key is restricted to web pages; use one without a referrer restriction",
    "API_KEY_IP_ADDRESS_BLOCKED": "the key is restricted to other IP addresses; add this machine's, or use another key",
    "API_KEY_ANDROID_APP_BLOCKED": "the key is restricted to Android apps; use one without this restriction",
    "API_KEY_IOS_APP_BLOCKED": "the key is restricted to iOS apps; use one without this restriction",
    "CREDENTIALS_MISSING": "the call had neither a key nor a token; pass api_key=... or credentials=...",
    "ACCESS_TOKEN_EXPIRED": "pass credentials=..., which refresh the token, in place of a token in the metadata",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "the token needs the scope https://www.googleapis.com/auth/cloud-platform",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": "this is no OAuth token; pass an API key, such as AQ..., as api_key=...",
    "ACCOUNT_STATE_INVALID": "the account of the credentials is disabled or deleted; use another one",
    "OVERLOADED_CREDENTIALS": "the call had several credentials; pass either api_key=... or credentials=...",
    "SERVICE_DISABLED": "enable the API for the project: https://console.cloud.google.com/apis/library",
    "BILLING_DISABLED": "enable billing for the project: https://console.cloud.google.com/billing",
    "CONSUMER_INVALID": "the project of the key or of x-goog-user-project does not exist; use another one",
    "CONSUMER_SUSPENDED": "the project is suspended; see https://cloud.google.com/resource-manager/docs",
    "USER_PROJECT_DENIED": "the caller may not use the quota project; grant serviceusage.services.use, or name another",
    "SECURITY_POLICY_VIOLATED": "VPC Service Controls refused the call; error.metadata has the uid to look up",
}


def hint(domain: str | None, reason: str | None) -> str:
    """What to do, in parentheses behind a message; empty for a reason that is not in the table.

    >>> hint("googleapis.com", "BILLING_DISABLED")
    ' (BILLING_DISABLED: enable billing for the project: https://console.cloud.google.com/billing)'
    """
    return f" ({reason}: {HINTS[reason]})" if reason in HINTS and domain == DOMAIN else ""
