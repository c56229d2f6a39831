"""The settings of stenod serve: file, environment, flags, --print-config, and what is refused."""
import tomllib

import pytest


@pytest.fixture
def serve(stenod, tmp_path):
    """Runs stenod serve with folders of its own."""
    def run(*arguments, env=None, **options):
        folders = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "STENOD_DATA_DIR": str(tmp_path / "data")}
        return stenod("serve", *arguments, env=folders | (env or {}), **options)
    run.folder = tmp_path
    return run


def settings(result):
    assert result.code == 0, result.err
    return tomllib.loads(result.out)


def test_print_config_shows_what_is_in_force_and_from_where(serve):
    folder = serve.folder / "config" / "stenod"
    folder.mkdir(parents=True)
    (folder / "stenod.toml").write_text("[live]\nsilence_ms = 600\nmin_speech_ms = 250\nvad_threshold = 0.4\n")
    result = serve("--print-config", "--live-silence-ms", 800, "--listen", "[::1]:0",
                   env={"STENOD_LIVE_SILENCE_MS": "700", "STENOD_LIVE_MIN_SPEECH_MS": "200", "MODEL_SIZE": "tiny.en"})
    found = settings(result)
    assert (found["live"]["silence_ms"], found["live"]["min_speech_ms"], found["live"]["vad_threshold"]) == (800, 200, 0.4)
    assert found["server"]["listen"] == "[::1]:0" and found["engine"]["model"] == "tiny.en"
    for line in ("silence_ms = 800  # --live-silence-ms", "min_speech_ms = 200  # STENOD_LIVE_MIN_SPEECH_MS",
                 f"vad_threshold = 0.4  # {folder / 'stenod.toml'}:4", 'model = "tiny.en"  # MODEL_SIZE',
                 "idle_timeout_s = 60  # default"):
        assert line in result.out.splitlines()


def test_what_is_printed_can_be_the_settings_file(serve):
    first = serve("--print-config", "--server-allowed-origins", "https://a.example,http://localhost:3000",
                  "--live-log-text", "--live-vad-threshold", "0.35", "--server-tls-certificate", 'a "b"\\ é.pem',
                  "--server-tls-key", "k")
    file = serve.folder / "printed.toml"
    file.write_text(first.out)
    assert settings(serve("--print-config", "--config", file)) == settings(first)
    assert settings(serve("--print-config", env={"STENOD_CONFIG": str(file)})) == settings(first)


def test_everything_wrong_is_said_at_once(serve):
    file = serve.folder / "stenod.toml"
    file.write_text("[live]\nsilence_m = 500\nvad_threshold = 'high'\n[sever]\n")
    result = serve("--config", file, "--live-silence", 5, "--device", "cuda", env={"STENOD_FILES_TIMEOUT_S": "soon"})
    assert result.code == 2 and result.out == ""
    for message in (f"{file}:2: unknown setting live.silence_m; did you mean silence_ms?",
                    f'{file}:3: live.vad_threshold: "high" is not allowed, expected a number, 0.01 to 0.99',
                    f"{file}:4: unknown section [sever]; did you mean server?",
                    'STENOD_FILES_TIMEOUT_S: "soon" is not allowed',
                    "unknown option --live-silence; did you mean --live-silence-ms?",
                    "--device: this build computes on CPUs only, expected auto or cpu (not_supported)"):
        assert f"error: {message}" in result.err
    assert len([line for line in result.err.splitlines() if line.startswith("error: ")]) == 6


def test_a_public_server_needs_keys(serve, stenod):
    refused = serve("--listen", "0.0.0.0:0")
    assert refused.code == 1
    assert "stenod key create" in refused.err and "allow_public_without_keys" in refused.err


def test_damaged_keys_do_not_mean_none(serve):
    (serve.folder / "data").mkdir()
    (serve.folder / "data" / "access.db").write_bytes(b"x" * 5000)
    refused = serve("--listen", "127.0.0.1:0")
    assert refused.code == 1 and "access_database_damaged" in refused.err
