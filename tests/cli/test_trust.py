"""Trusting the certificate authority, and taking it back; in a folder that stands for the system's."""

import socket
import ssl
from pathlib import Path

import pytest
import requests

from support.running import RunningServer
from velvetrope.cli.trust import Anchors, Step, TrustError, run_steps, trust_steps, untrust_steps


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    folder = tmp_path / "anchors"
    folder.mkdir()
    return ((tmp_path / "another-distribution", ("true",)), (folder, ("true",)))


def test_trusting_copies_the_authority_and_undoing_deletes_it(
    demo: RunningServer, tmp_path: Path, anchors: Anchors
) -> None:
    home, folder = tmp_path / "home", anchors[1][0]

    run_steps(trust_steps(demo.ca_certificate, home, anchors))
    assert [path.read_bytes() for path in folder.iterdir()] == [demo.ca_certificate.read_bytes()]
    run_steps(untrust_steps(demo.ca_certificate, home, anchors))

    assert list(folder.iterdir()) == []
    assert untrust_steps(demo.ca_certificate, home, anchors) == []


def test_a_machine_that_keeps_no_certificates_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TrustError, match="No place that keeps certificates was found"):
        trust_steps(tmp_path / "ca.pem", tmp_path, ())


def test_what_is_no_certificate_is_not_given_to_the_system(tmp_path: Path, anchors: Anchors) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")

    with pytest.raises(TrustError, match="is no certificate"):
        trust_steps(tmp_path / "ca.pem", tmp_path, anchors)


def test_a_step_that_fails_says_which_and_why() -> None:
    with pytest.raises(TrustError, match=r"Could not read it back: .*No such file"):
        run_steps([Step("read it back", ("cat", "/nonexistent/ca.pem"))])


def test_whoever_trusts_the_authority_reaches_the_server_over_https(demo: RunningServer) -> None:
    for host in ("localhost", "127.0.0.1"):
        answer = requests.get(f"https://{host}:{demo.port}/_velvetrope/health", verify=str(demo.ca_certificate))
        assert answer.json()["status"] == "ok"


def test_whoever_does_not_trust_it_is_not_talked_to(demo: RunningServer) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://localhost:{demo.port}/_velvetrope/health", verify=True)


def test_the_sign_in_page_is_for_https_only(demo: RunningServer) -> None:
    query = f"client_id={demo.config['user_pool_client_id']}&response_type=code&redirect_uri={demo.url}/"

    answer = requests.get(f"{demo.url}/login?{query}", allow_redirects=False)
    posted = requests.post(f"{demo.url}/login?{query}", data={"username": "demouser", "password": "demoPASS123"})

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"https://localhost:{demo.port}/login?{query}"
    assert posted.status_code == 403


def test_the_authority_signs_for_no_other_machine(demo: RunningServer) -> None:
    """Its certificate is for this server's names: under another name the same server is not believed."""
    context = ssl.create_default_context(cafile=str(demo.ca_certificate))

    with (
        socket.create_connection(("127.0.0.1", demo.port), timeout=60) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        context.wrap_socket(connection, server_hostname="bank.example")
