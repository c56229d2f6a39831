"""stenod key: what is created, listed, revoked and stored."""
import json
import re
import stat

import pytest


@pytest.fixture
def key(stenod, tmp_path):
    """Runs stenod key with a data folder of its own."""
    def run(*arguments):
        return stenod("key", *arguments, env={"STENOD_DATA_DIR": str(tmp_path / "data")})
    run.folder = tmp_path / "data"
    return run


def listed(key):
    result = key("list", "--json")
    assert result.code == 0, result.err
    return result.objects()


def test_a_key_is_shown_once_and_only_its_hash_is_stored(key):
    created = key("create", "Call centre", "--streams", 20, "--minutes-per-day", 90.5, "--admin")
    assert created.code == 0, created.err
    assert re.fullmatch(r"sk_[a-z2-7]{8}_[a-z2-7]{32}\n", created.out)
    secret = created.out.strip().split("_")[2]
    key_id = created.out.split("_")[1]
    assert key_id in created.err and secret not in created.err
    (entry,) = listed(key)
    assert entry["id"] == key_id and entry["name"] == "Call centre" and entry["state"] == "active"
    assert (entry["streams"], entry["minutes_per_day"], entry["admin"]) == (20, 90.5, True)
    assert entry["minutes_used_today"] == 0 and "expires_at" not in entry
    table = key("list").out
    assert key_id in table and "Call centre" in table and "active" in table and "(admin)" in table
    for file in key.folder.iterdir():
        assert secret.encode() not in file.read_bytes(), file
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_keys_are_revoked_and_expire(key):
    first = key("create", "first").out.split("_")[1]
    key("create", "second", "--expires", "30d")
    assert key("revoke", first).code == 0
    entries = listed(key)
    assert [entry["state"] for entry in entries] == ["revoked", "active"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entries[1]["expires_at"])
    assert key("revoke", first).code == 0, "again changes nothing"
    assert listed(key)[0]["revoked_at"] == entries[0]["revoked_at"]
    unknown = key("revoke", "aaaaaaaa")
    assert unknown.code == 1 and "stenod key list" in unknown.err


def test_without_keys_the_list_says_so(key):
    result = key("list")
    assert result.code == 0 and "stenod key create" in result.out
    assert listed(key) == []
    assert not key.folder.exists(), "listing creates nothing"
    assert key("revoke", "aaaaaaaa").code == 1


@pytest.mark.parametrize("arguments", [["create", ""], ["create", "x" * 201], ["create", "a\nb"],
                                       ["create", "a", "--expires", "2020-01-01"]])
def test_wrong_keys_are_refused(key, arguments):
    result = key(*arguments)
    assert result.code == 1 and result.out == "" and result.err.startswith("error: ")
    assert listed(key) == []


def test_a_damaged_database_is_said_so(key):
    key.folder.mkdir()
    (key.folder / "access.db").write_bytes(b"\0" * 5000)
    for arguments in (["list"], ["create", "a"], ["revoke", "aaaaaaaa"]):
        result = key(*arguments)
        assert result.code == 1 and "access.db" in result.err and "backup" in result.err
        assert "access_database_damaged" in result.err


def test_names_cannot_disturb_the_terminal(key):
    assert key("create", "caf\u00e9 \u009b31m").code == 0
    assert "caf\u00e9" in key("list").out and "\u009b" not in key("list").out
    assert json.loads(key("list", "--json").out)["name"] == "caf\u00e9 \u009b31m"
