"""Apache Kafka that asks who is there: users with passwords, clients with certificates, and what each may do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.integration.brokers import ApacheKafka, free_port
from tests.unit.runtime.service.certificates import Authority

# By user; what a secret looks like is up to the user.
PASSWORDS = {"reader": 'r3ader "pass" word!', "stranger": "str4nger-pass-word"}
CERTIFIED = "CN=certified"


class SecuredKafka(ApacheKafka):
    """Listens for users of SCRAM over TLS, and for clients with certificates; who comes in clear may do everything."""

    def __init__(self, folder: Path):
        self.authority = Authority(folder)
        self.scram_port, self.mtls_port, self.expired_port = (free_port() for _ in range(3))
        self._folder = folder
        self._keys = {
            "SCRAM": self._keystore("localhost"),
            "MTLS": self._keystore("localhost-too"),
            "EXPIRED": self._keystore("yesterday", days=-1),
        }
        super().__init__(folder)

    def _keystore(self, name: str, days: int = 30) -> Path:
        """A file as Kafka wants it: the key, then the certificate."""
        certificate, key = self.authority.issue(name, days)
        file = self._folder / f"{name}.keystore.pem"
        file.write_bytes(key.read_bytes() + certificate.read_bytes())
        return file

    def listeners(self) -> dict[str, str]:
        return super().listeners() | {
            "SCRAM": f"127.0.0.1:{self.scram_port}",
            "MTLS": f"127.0.0.1:{self.mtls_port}",
            "EXPIRED": f"127.0.0.1:{self.expired_port}",
        }

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        protocols = ",SCRAM:SASL_SSL,MTLS:SSL,EXPIRED:SSL"
        settings["listener.security.protocol.map"] += protocols
        settings |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.mtls.ssl.client.auth": "required",
        }
        for name, keystore in self._keys.items():
            prefix = f"listener.name.{name.lower()}.ssl"
            settings |= {
                f"{prefix}.keystore.type": "PEM",
                f"{prefix}.keystore.location": keystore,
                f"{prefix}.truststore.type": "PEM",
                f"{prefix}.truststore.location": self.authority.file,
            }
        return settings

    def format_options(self) -> list[str]:
        return [
            option
            for user, password in PASSWORDS.items()
            for option in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
        ]

    def as_user(self, user: str, password: str | None = None) -> dict[str, str]:
        """Properties of a client that shows a user's password."""
        return {
            "bootstrap.servers": f"127.0.0.1:{self.scram_port}",
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.authority.file),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": PASSWORDS[user] if password is None else password,
        }

    def with_certificate(self, name: str, days: int = 30) -> dict[str, str]:
        """Properties of a client that shows a certificate of this name."""
        certificate, key = self.authority.issue(name, days)
        return {
            "bootstrap.servers": f"127.0.0.1:{self.mtls_port}",
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.authority.file),
            "ssl.certificate.location": str(certificate),
            "ssl.key.location": str(key),
        }

    def allow(self, user: str, grants: Sequence[tuple[ResourceType, str, str]]) -> None:
        """Let a user do things: kind of resource, its name (a prefix where it ends in `*`), and operations."""
        bindings = [
            AclBinding(
                kind,
                name.removesuffix("*"),
                ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )
            for kind, name, operations in grants
            for operation in operations.split()
        ]
        admin = self.admin()
        for future in admin.create_acls(bindings).values():
            future.result(30)
