"""What the person who starts the server decides, checked once.

Flags and `VELVETROPE_*` variables become one `Settings`; the names of the variables stand beside the flags in
`cli/options.py`. The defaults are those of a laptop: loopback only, and nothing shown to browsers unasked.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from velvetrope.delivery import DeliverySettingRefused, check_webhook_url, parse_sender_address, parse_smtp_url
from velvetrope.errors import VelvetropeError
from velvetrope.secret import Secret

__all__ = ["RootAccessKey", "Settings", "SettingsError"]

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT_ID = re.compile(r"\d{12}")
_DATABASE = re.compile(r"postgresql://(?P<host>127\.0\.0\.1|localhost|\[::1\]):(?P<port>\d{1,5})/?")
_RESOURCE_ID = re.compile(r"(db|cluster|prx)-[A-Za-z0-9]{1,60}")
_ACCESS_KEY_ID = re.compile(r"\w{16,128}")


class SettingsError(VelvetropeError):
    """A setting has a value that cannot be meant. The message names the flag."""


@dataclass(frozen=True)
class RootAccessKey:
    """The long-term key of the account's root user."""

    access_key_id: str
    secret_access_key: Secret[str]


@dataclass(frozen=True)
class Settings:
    """One server's settings.

    `host` `localhost` stands for both loopback addresses. `port` 0 picks a free one. `public_url` is where others reach
    this server, without a trailing slash; it becomes the issuer of tokens. `store_url` is the PostgreSQL that nodes
    share; without it the state folder has a database of its own. `root_access_key` is a preset one; without
    it the state folder's own is used. `config_for_browsers` serves `/_velvetrope/config.json`. Mail and text messages
    stay in the mailbox where there is no server to hand them to. `database_door` is the PostgreSQL behind the database
    door, which listens on `database_port`; `database_passwords` is a password file in libpq's format.
    `max_sandboxes` is how many of them all functions may have together; Lambda's account limit is 1,000.
    `access_log` is a file, or `-` for standard output; its format is `json` (a line for every request to a deployed
    API) or `stage` (the lines that stages ask for). `allow_link_local_backends` lets HTTP integrations call link-local
    addresses, where a cloud's metadata service gives out the machine's own credentials."""

    host: str = "localhost"
    port: int = 4800
    state_folder: Path = field(default_factory=lambda: Path(".velvetrope"))
    region: str = "us-west-2"
    account_id: str = "123456789012"
    public_url: str | None = None
    root_access_key: RootAccessKey | None = None
    config_for_browsers: bool = False
    gateway_cors: bool = True
    durable: bool = True
    site_folder: Path | None = None
    functions_as_root: bool = False
    store_url: Secret[str] | None = None
    smtp_url: Secret[str] | None = None
    mail_from: str | None = None
    sms_webhook_url: str | None = None
    sms_webhook_token: Secret[str] | None = None
    database_door: str | None = None
    database_port: int = 5433
    database_passwords: Path | None = None
    database_resource_id: str = "db-VELVETROPE"
    max_sandboxes: int = 100
    access_log: str | None = None
    access_log_format: str = "json"
    allow_link_local_backends: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"--port {self.port}: a port is a number from 0 to 65535.")
        if _REGION.fullmatch(self.region) is None:
            raise SettingsError(f"--region {self.region}: a region looks like us-west-2.")
        if _ACCOUNT_ID.fullmatch(self.account_id) is None:
            raise SettingsError(f"--account-id {self.account_id}: an account id is 12 digits.")
        if self.public_url is not None and (
            not re.fullmatch(r"https?://[^/?#\s]+", self.public_url) or self.public_url.endswith("/")
        ):
            raise SettingsError(
                f"--public-url {self.public_url}: give scheme, host and port only, as https://host:443."
            )
        if self.root_access_key is not None:
            if _ACCESS_KEY_ID.fullmatch(self.root_access_key.access_key_id) is None:
                raise SettingsError("VELVETROPE_ROOT_ACCESS_KEY_ID is 16 to 128 letters, digits and underscores.")
            if len(self.root_access_key.secret_access_key.reveal()) < 16:
                raise SettingsError("VELVETROPE_ROOT_SECRET_ACCESS_KEY has at least 16 characters.")
        if self.access_log_format not in ("json", "stage"):
            raise SettingsError(f"--access-log-format {self.access_log_format}: the formats are json and stage.")
        if self.access_log == "":
            raise SettingsError("--access-log: give a file, or - for standard output.")
        if not 1 <= self.max_sandboxes <= 1000:
            raise SettingsError(f"--max-sandboxes {self.max_sandboxes}: a number from 1 to 1000.")
        if self.store_url is not None and not self.store_url.reveal().startswith("postgresql://"):
            raise SettingsError("VELVETROPE_STORE_URL is a PostgreSQL: postgresql://USER:PASSWORD@HOST:5432/NAME.")
        self._check_delivery()
        self._check_database_door()

    @property
    def database_address(self) -> tuple[str, int] | None:
        """Host and port of the PostgreSQL behind the database door; None without one."""
        found = None if self.database_door is None else _DATABASE.fullmatch(self.database_door)
        return None if found is None else (found["host"].strip("[]"), int(found["port"]))

    def _check_database_door(self) -> None:
        if not 0 <= self.database_port <= 65535:
            raise SettingsError(f"--database-port {self.database_port}: a port is a number from 0 to 65535.")
        if _RESOURCE_ID.fullmatch(self.database_resource_id) is None:
            raise SettingsError(f"--database-resource-id {self.database_resource_id}: it looks like db-ABCDEFGH.")
        if (self.database_door is None) != (self.database_passwords is None):
            raise SettingsError("--database-door and --database-passwords go together; one is missing.")
        if self.database_door is not None and self.database_address is None:
            raise SettingsError(
                f"--database-door {self.database_door}: it is postgresql://127.0.0.1:5432, on this machine; what the "
                "door and PostgreSQL say to each other is not encrypted."
            )

    def _check_delivery(self) -> None:
        if (self.smtp_url is None) != (self.mail_from is None):
            raise SettingsError("VELVETROPE_SMTP_URL and --mail-from go together; one is missing.")
        if self.sms_webhook_token is not None and self.sms_webhook_url is None:
            raise SettingsError("VELVETROPE_SMS_WEBHOOK_TOKEN goes with --sms-webhook-url, which is missing.")
        setting = ""
        try:
            if self.smtp_url is not None and self.mail_from is not None:
                setting = "VELVETROPE_SMTP_URL"
                parse_smtp_url(self.smtp_url.reveal())
                setting = "--mail-from"
                parse_sender_address(self.mail_from)
            if self.sms_webhook_url is not None:
                setting = "--sms-webhook-url"
                check_webhook_url(self.sms_webhook_url)
        except DeliverySettingRefused as refused:
            raise SettingsError(f"{setting}: {refused.message}") from None
