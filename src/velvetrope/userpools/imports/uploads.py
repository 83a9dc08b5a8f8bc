"""The door that the file of an import job is put through: one address per job, for a quarter of an hour, once.

    url = uploads.url(job)                                   # the job's PreSignedUrl
    upload = await uploads.open(address, now=now)            # whoever shows it may write
    await upload.write(chunk) ...
    await upload.finish()

The address holds the pool, the job, when it ends and a keyed hash over them; the key is a master key, so no other
server and nobody who reads the database can make one. AWS's goes to S3 and is good for 15 minutes (UNVERIFIED); a file
has 100 MB at the most (Cognito Developer Guide, "Importing users into user pools from a CSV file").
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from velvetrope.clock import Entropy
from velvetrope.errors import ReasonError
from velvetrope.identifiers import new_uuid
from velvetrope.sealing import MasterKeys, SealBroken
from velvetrope.store.tables.userpools_import_jobs import UserImportJob
from velvetrope.store.tables.userpools_imports import PART_BYTES, ImportStore

__all__ = ["MAX_FILE_BYTES", "UPLOAD_PATH", "FileTooLarge", "ImportUpload", "ImportUploads", "UploadRefused"]

MAX_FILE_BYTES: Final = 100 * 1024 * 1024
UPLOAD_PATH: Final = "/_velvetrope/user-imports/"
_LIFETIME = timedelta(minutes=15)
_PURPOSE = "userpools.import-upload"
_MEMBERS = frozenset({"Key", "Expires", "Signature"})


class UploadRefused(ReasonError):
    """Nothing may be put there. The message is for the owner; a stranger is told that access is denied."""


class FileTooLarge(ReasonError):
    """The file is larger than a job takes."""


class ImportUploads:
    """Signs addresses, and opens them."""

    def __init__(self, store: ImportStore, master_keys: MasterKeys, entropy: Entropy, *, endpoint_url: str) -> None:
        self._store = store
        self._master_keys = master_keys
        self._entropy = entropy
        self._endpoint_url = endpoint_url

    def url(self, job: UserImportJob) -> str:
        """Where the job's file is put. It ends a quarter of an hour after the job was created."""
        expires = int((job.created_at + _LIFETIME).timestamp())
        key_id = self._master_keys.current
        query = {
            "Expires": str(expires),
            "Key": key_id.hex(),
            "Signature": self._signature(job.user_pool_id, job.job_id, expires, key_id),
        }
        return f"{self._endpoint_url}{UPLOAD_PATH}{job.user_pool_id}/{job.job_id}?{urlencode(query)}"

    async def open(self, path: str, query: Mapping[str, str], *, now: datetime) -> "ImportUpload":
        """A new upload, for whoever shows an address that `url` made.

        Raises:
            UploadRefused: another address, too late, or the job has its file or is past.
        """
        user_pool_id, _, job_id = path.removeprefix(UPLOAD_PATH).partition("/")
        if query.keys() != _MEMBERS or not query["Expires"].isascii() or not query["Expires"].isdecimal():
            raise UploadRefused("the address is not one that this server made")
        expires = int(query["Expires"])
        try:
            wanted = self._signature(user_pool_id, job_id, expires, bytes.fromhex(query["Key"]))
        except (ValueError, SealBroken):
            raise UploadRefused("the address is signed with a key that is not ours") from None
        if not hmac.compare_digest(wanted.encode(), query["Signature"].encode()):
            raise UploadRefused("the address was changed after it was signed")
        if now >= datetime.fromtimestamp(expires, UTC):
            raise UploadRefused("the address has expired")
        job = await self._store.load_job(user_pool_id, job_id)
        if job is None or job.status != "Created":
            raise UploadRefused("the job is gone, or waits for no file any more")
        if job.upload_id is not None:
            raise UploadRefused("the job has its file already")
        return ImportUpload(self._store, job, new_uuid(self._entropy))

    def _signature(self, user_pool_id: str, job_id: str, expires: int, key_id: bytes) -> str:
        info = f"{user_pool_id}|{job_id}|{expires}".encode()
        return self._master_keys.derive(purpose=_PURPOSE, info=info, key_id=key_id).hex()


class ImportUpload:
    """A file that is coming in."""

    def __init__(self, store: ImportStore, job: UserImportJob, upload_id: str) -> None:
        self._store = store
        self._job = job
        self._upload_id = upload_id
        self._pending = bytearray()
        self._parts = 0

    async def write(self, data: bytes) -> None:
        """Keep what has come in so far.

        Raises:
            FileTooLarge: the file is larger than `MAX_FILE_BYTES`.
        """
        self._pending += data
        if self._parts * PART_BYTES + len(self._pending) > MAX_FILE_BYTES:
            raise FileTooLarge(f"a file has at most {MAX_FILE_BYTES} bytes")
        while len(self._pending) >= PART_BYTES:
            await self._save(PART_BYTES)

    async def finish(self) -> None:
        """All of it is there: it is the job's file now.

        Raises:
            UploadRefused: another upload was quicker, or the job is past.
        """
        if self._pending:
            await self._save(len(self._pending))
        if not await self._store.finish_upload(self._job, self._upload_id):
            raise UploadRefused("another file was quicker, or the job waits for none any more")

    async def abandon(self) -> None:
        """Forget what was kept."""
        await self._store.discard_upload(self._job, self._upload_id)

    async def _save(self, size: int) -> None:
        await self._store.save_part(self._job, self._upload_id, self._parts, bytes(self._pending[:size]))
        del self._pending[:size]
        self._parts += 1
