"""A real Kafka that asks who is there: TLS, SCRAM, client certificates and ACLs; certificates are made for the test.

Listeners, all on one node: `SCRAM` (SASL_SSL, also PLAIN), `MUTUAL` (SSL that wants a client's certificate), `EXPIRED` and
`ELSEWHERE` (SSL with a certificate that has expired, or is another host's), and `PLAINTEXT`, whose clients may do anything:
the tests' own. A user is the same one by password and by certificate.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from cryptography.hazmat.primitives import serialization

from app.broker.embedded import EmbeddedBroker
from app.broker.rights import Right, require
from app.broker.topics import admin_client
from app.domain.errors import UserErrors

HOST = "127.0.0.1"
LISTENERS = {"SCRAM": "SASL_SSL", "MUTUAL": "SSL", "EXPIRED": "SSL", "ELSEWHERE": "SSL"}
USERS = ("worker", "admin", "producer", "reader", "explainer", "replayer", "promoter", "nobody")
KEY_PASSWORD = "marker-of-the-key-5e"  # noqa: S105  of a key made for the test

_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3
_CLUSTER_WITH_ACLS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


def password(user: str) -> str:
    """The password of a user; no other text looks like it."""
    return f"marker-of-{user}-7f"


class Identity(NamedTuple):
    """A certificate as files: for clients its chain and its key, for brokers both in one."""

    chain: Path
    key: Path
    encrypted_key: Path
    both: Path


class Authority:
    """Signs certificates and writes them to a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._signer = trustme.CA(organization_name=name)
        self.file = folder / f"{name}.pem"
        self._signer.cert_pem.write_to_path(self.file)

    def identity(self, name: str, host: str = HOST, *, expired: bool = False) -> Identity:
        """A certificate for a host, whose common name is the user's."""
        now = dt.datetime.now(dt.UTC)
        ends = now - dt.timedelta(days=1) if expired else now + dt.timedelta(days=30)
        begins = ends - dt.timedelta(days=90)
        leaf = self._signer.issue_cert(host, common_name=name, not_before=begins, not_after=ends)
        key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)

        def pem(protection: serialization.KeySerializationEncryption) -> bytes:
            # The only form that Java reads.
            return key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
            )

        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        bare = pem(serialization.NoEncryption())
        encrypted = pem(serialization.BestAvailableEncryption(KEY_PASSWORD.encode()))
        made = Identity(*(self._folder / f"{name}-{part}.pem" for part in ("chain", "key", "locked", "both")))
        for path, content in zip(made, (chain, bare, encrypted, bare + chain), strict=True):
            path.write_bytes(content)
        return made


class SecuredBroker:
    """The broker, its certificates, and who may do what on it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.authority = Authority(folder, "authority")
        self.stranger = Authority(folder, "stranger")
        keystores = {
            "SCRAM": self.authority.identity("broker"),
            "MUTUAL": self.authority.identity("broker-mutual"),
            "EXPIRED": self.authority.identity("broker-expired", expired=True),
            "ELSEWHERE": self.authority.identity("broker-elsewhere", "kafka.example.org"),
        }
        properties = dict(_CLUSTER_WITH_ACLS)
        for name, identity in keystores.items():
            properties |= self._tls(name, identity)
        properties |= self._logins() | {
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.truststore.type": "PEM",
            "listener.name.mutual.ssl.truststore.location": str(self.authority.file),
            "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        }
        self.clients = {user: self.authority.identity(user) for user in USERS}
        self.kafka = EmbeddedBroker(
            folder / "broker",
            listeners=LISTENERS,
            properties=properties,
            scram={user: password(user) for user in USERS},
        )

    @staticmethod
    def _tls(listener: str, identity: Identity) -> dict[str, str]:
        prefix = f"listener.name.{listener.lower()}.ssl.keystore"
        return {f"{prefix}.type": "PEM", f"{prefix}.location": str(identity.both)}

    @staticmethod
    def _logins() -> dict[str, str]:
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        users = " ".join(f'user_{user}="{password(user)}"' for user in USERS)
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
            "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.scram.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule"
            f" required {users};",
        }

    def login(self, user: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """The settings of a user who logs in with a password over TLS."""
        return {
            "REENGAGE_BROKER": self.kafka.address("SCRAM"),
            "REENGAGE_SECURITY_PROTOCOL": "SASL_SSL",
            "REENGAGE_SASL_MECHANISM": mechanism,
            "REENGAGE_SASL_USERNAME": user,
            "REENGAGE_SASL_PASSWORD": password(user),
            "REENGAGE_SSL_CAFILE": str(self.authority.file),
        }

    def certificate(self, user: str) -> dict[str, str]:
        """The settings of a user who shows a certificate, whose key is encrypted."""
        return {
            "REENGAGE_BROKER": self.kafka.address("MUTUAL"),
            "REENGAGE_SECURITY_PROTOCOL": "SSL",
            "REENGAGE_SSL_CAFILE": str(self.authority.file),
            "REENGAGE_SSL_CERTFILE": str(self.clients[user].chain),
            "REENGAGE_SSL_KEYFILE": str(self.clients[user].encrypted_key),
            "REENGAGE_SSL_KEY_PASSWORD": KEY_PASSWORD,
        }

    @asynccontextmanager
    async def acls(self) -> "AsyncIterator[Acls]":
        """To change what users may do."""
        async with admin_client({"bootstrap_servers": self.kafka.address()}) as admin:
            yield Acls(admin)

    async def grant(self, user: str, rights: Iterable[Right]) -> None:
        """Give a user these rights; felt a moment later."""
        async with self.acls() as acls:
            await acls.grant(user, rights)

    async def revoke(self, user: str, rights: Iterable[Right]) -> None:
        """Take them away."""
        async with self.acls() as acls:
            await acls.revoke(user, rights)


class Acls:
    """The cluster's list of who may do what, through a client that may change it."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def grant(self, user: str, rights: Iterable[Right]) -> None:
        await self._change(CreateAclsRequest, user, rights)

    async def revoke(self, user: str, rights: Iterable[Right]) -> None:
        await self._change(DeleteAclsRequest, user, rights)

    async def _change(self, request: type, user: str, rights: Iterable[Right]) -> None:
        for right in rights:
            pattern = _PREFIXED if right.prefixed else _LITERAL
            of = (int(right.resource), right.name, pattern, f"User:{user}", "*")
            answer = await self._admin._send_request(request(*of, int(right.operation), _ALLOW))
            results = answer.to_object().popitem()[1]
            assert [each["error_code"] for each in results] == [0], results


async def lacking(client: AIOKafkaAdminClient, options: dict[str, Any], rights: list[Right]) -> list[str]:
    """What `require` says is missing of these rights: each error as text."""
    try:
        await require(client, options, rights)
    except UserErrors as errors:
        return [str(error) for error in errors.errors]
    return []


async def settled(
    client: AIOKafkaAdminClient, options: dict[str, Any], rights: list[Right], expected: list[str]
) -> None:
    """Wait until exactly the expected errors are told of these rights: a change is felt a moment after it is made."""
    found: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while (found := await lacking(client, options, rights)) != expected:  # noqa: ASYNC110  Kafka tells nobody
                await asyncio.sleep(0.01)
    assert found == expected
