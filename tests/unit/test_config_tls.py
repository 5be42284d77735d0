"""TLS of buses as ``check`` sees it: what is wrong with the files, where, and the cure."""

import ssl
import subprocess
import time

import pytest

from config.certificates import validities
from config.loading import load_site
from config.problems import ConfigurationError
from config.words import LANGUAGES
from tests.servers import Authority

NOW = "now"  # when the test runs: the certificates are made while it does
SITE = """\
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}}}
store: {{path: energy.db}}
commodities: {{}}
buses:
  - id: gateway
    kind: {kind}
    {where}
    tls: {{{tls}}}
    devices:
      - {{id: a, {device}}}
meters: []
"""
SOCKET = {"kind": "modbus_tcp", "where": "host: 10.0.0.7", "device": "profile: eastron_sdm630"}
BROKER = {"kind": "mqtt", "where": "host: 10.0.0.8", "device": "profile: json_water_meter, topic: t"}
GATEWAY = {**SOCKET, "kind": "modbus_rtu_tcp"}
SERIAL = {"kind": "modbus_rtu", "where": "line: /dev/ttyUSB0", "device": "profile: eastron_sdm630"}


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A folder with certificates and keys of all sorts."""
    folder = tmp_path_factory.mktemp("pem")
    authority = Authority(folder)
    authority.sign("monitor")
    authority.sign("old", days=-1)
    locked = ["openssl", "pkey", "-in", folder / "monitor.key", "-aes256", "-passout", "pass:secret"]
    subprocess.run([*locked, "-out", folder / "locked.key"], check=True, capture_output=True)
    (folder / "both.pem").write_bytes(
        (folder / "monitor.pem").read_bytes() + (folder / "monitor.key").read_bytes()
    )
    (folder / "words.pem").write_text("certificate goes here\n")
    (folder / "broken.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"
    )
    (folder / "folder").mkdir()
    return folder


def problems(folder, tls, bus=SOCKET, at_s=NOW):
    """Every problem of a site whose bus has this TLS."""
    file = folder / "site.yaml"
    file.write_text(SITE.format(tls=tls, **bus), encoding="utf-8")
    try:
        found = load_site(file, checked_at_s=time.time() if at_s == NOW else at_s).warnings
    except ConfigurationError as error:
        found = error.problems
    for problem in found:
        for language in LANGUAGES:
            assert "{" not in problem.message(language)
    return found


WELL = [
    "",
    "ca: authority.pem",
    "ca: authority.pem, certificate: monitor.pem, key: monitor.key, server_name: gateway",
    "certificate: both.pem",
]
WARNED = [
    ("ca: nowhere.pem", "tls_file_missing", "ca"),
    ("certificate: nowhere.pem, key: monitor.key", "tls_file_missing", "certificate"),
    ("certificate: monitor.pem, key: nowhere.key", "tls_file_missing", "key"),
    ("ca: monitor.pem/in-a-file.pem", "tls_file_unreadable", "ca"),
    ("certificate: old.pem, key: old.key", "tls_expired", "certificate"),
    ("ca: old.pem", "tls_expired", "ca"),
]
WRONG = [
    ("ca: folder", "tls_is_folder", "ca"),
    ("ca: words.pem", "tls_not_certificate", "ca"),
    ("ca: broken.pem", "tls_not_certificate", "ca"),
    ("ca: monitor.key", "tls_not_certificate", "ca"),
    ("certificate: words.pem, key: monitor.key", "tls_not_certificate", "certificate"),
    ("certificate: monitor.pem, key: words.pem", "tls_not_key", "key"),
    ("certificate: monitor.pem, key: monitor.pem", "tls_not_key", "key"),
    ("certificate: monitor.pem", "tls_no_key", "certificate"),
    ("certificate: monitor.pem, key: old.key", "tls_key_differs", "key"),
    ("certificate: monitor.pem, key: locked.key", "tls_key_encrypted", "key"),
]


@pytest.mark.parametrize("tls", WELL)
@pytest.mark.parametrize("bus", [SOCKET, BROKER], ids=["modbus", "mqtt"])
def test_files_that_are_right_are_not_spoken_of(pem, tls, bus):
    assert problems(pem, tls, bus) == ()


@pytest.mark.parametrize(("tls", "code", "key"), WARNED)
@pytest.mark.parametrize("bus", [SOCKET, BROKER], ids=["modbus", "mqtt"])
def test_what_may_still_come_is_a_warning(pem, tls, code, key, bus):
    (problem,) = problems(pem, tls, bus)
    assert (problem.code, problem.path) == (f"config.{code}", ("buses", 0, "tls", key))
    assert problem.warning
    assert problem.place.line == 8


@pytest.mark.parametrize(("tls", "code", "key"), WRONG)
def test_what_can_never_work_is_an_error_for_check_and_stops_no_daemon(pem, tls, code, key):
    for at_s in (NOW, None):
        (problem,) = problems(pem, tls, at_s=at_s)
        assert (problem.code, problem.path) == (f"config.{code}", ("buses", 0, "tls", key))
        assert problem.warning == (at_s is None)


def test_a_key_alone_is_a_mistake_in_the_site_file(pem):
    (problem,) = problems(pem, "key: monitor.key", at_s=None)
    assert problem.code == "config.tls_key_alone"
    assert not problem.warning


@pytest.mark.parametrize(("bus", "code"), [(SERIAL, "tls_on_serial"), (GATEWAY, "tls_on_rtu_tcp")])
def test_tls_where_there_is_none_is_told_in_plain_words(pem, bus, code):
    (problem,) = problems(pem, "ca: authority.pem", bus)
    assert (problem.code, problem.path) == (f"config.{code}", ("buses", 0, "tls"))
    assert not problem.warning


def test_a_certificate_of_tomorrow_and_one_of_yesterday(pem):
    (own,) = validities((pem / "monitor.pem").read_text())
    assert own.begins_s <= time.time()
    assert own.ends_s - own.begins_s == 30 * 86400
    tls = "certificate: both.pem"
    assert [p.code for p in problems(pem, tls, at_s=own.begins_s - 1)] == ["config.tls_not_yet_valid"]
    assert problems(pem, tls, at_s=own.begins_s) == problems(pem, tls, at_s=own.ends_s) == ()
    assert [p.code for p in problems(pem, tls, at_s=own.ends_s + 1)] == ["config.tls_expired"]


def test_of_several_authorities_one_that_is_valid_is_enough(pem):
    bundle = pem / "bundle.pem"
    bundle.write_text((pem / "old.pem").read_text() + (pem / "authority.pem").read_text())
    assert problems(pem, "ca: bundle.pem") == ()


def test_a_year_of_four_digits_is_read(tmp_path):
    far = Authority(tmp_path).sign("far", days=365 * 40)  # beyond 2050: GeneralizedTime
    (found,) = validities(far.file.read_text())
    assert found.ends_s - found.begins_s == 365 * 40 * 86400


def test_a_cut_certificate_is_refused_with_a_value_error(pem):
    der = ssl.PEM_cert_to_DER_cert((pem / "monitor.pem").read_text())
    for cut in range(len(der)):
        with pytest.raises(ValueError):  # noqa: PT011  whatever is missing
            validities(ssl.DER_cert_to_PEM_cert(der[:cut]))
