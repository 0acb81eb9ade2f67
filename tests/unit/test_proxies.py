"""Which proxy the environment names for a URL."""

from urllib import request
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.proxies import proxy_for

HOME = "https://matrix.example.org"
PROXY = "http://proxy.example.org:3128"


def proxy_url(url: str, **environment: str) -> str | None:
    found = proxy_for(url, environment)
    return found.url if found else None


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (HOME, {}, None),
        (HOME, {"HTTPS_PROXY": PROXY}, PROXY),
        (HOME, {"https_proxy": PROXY}, PROXY),
        (HOME, {"HTTP_PROXY": PROXY}, None),
        (HOME, {"ALL_PROXY": PROXY}, PROXY),
        (HOME, {"all_proxy": PROXY}, PROXY),
        (HOME, {"HTTPS_PROXY": "http://first:1", "ALL_PROXY": PROXY}, "http://first:1"),
        (HOME, {"HTTPS_PROXY": "http://capitals:1", "https_proxy": PROXY}, PROXY),
        (HOME, {"HTTPS_PROXY": PROXY, "https_proxy": ""}, None),
        (HOME, {"HTTPS_PROXY": " "}, None),
        (HOME, {"HTTPS_PROXY": "proxy.example.org:3128"}, PROXY),
        (HOME, {"HTTPS_PROXY": "https://proxy.example.org"}, "https://proxy.example.org"),
        ("http://matrix.example.org", {"HTTPS_PROXY": PROXY}, None),
        ("http://matrix.example.org", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://matrix.example.org", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("http://localhost:8008", {"HTTP_PROXY": PROXY}, None),
        ("http://127.0.0.1:8008", {"HTTP_PROXY": PROXY}, None),
        ("http://127.8.0.1:8008", {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:8008", {"HTTP_PROXY": PROXY}, None),
        ("http://synapse.localhost", {"HTTP_PROXY": PROXY}, None),
        ("http://10.0.0.7:8008", {"HTTP_PROXY": PROXY}, PROXY),
    ],
)
def test_the_variables_mean_what_they_mean_to_other_programs(
    url: str, environment: dict[str, str], proxy: str | None
) -> None:
    assert proxy_url(url, **environment) == proxy


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        (HOME, "*", True),
        (HOME, "matrix.example.org", True),
        (HOME, "example.org", True),
        (HOME, ".example.org", True),
        (HOME, "*.example.org", True),
        (HOME, "MATRIX.Example.ORG", True),
        (HOME, "localhost, example.org", True),
        (HOME, "localhost example.org", True),
        (HOME, "xample.org", False),
        (HOME, "other.example.org", False),
        (HOME, "", False),
        (HOME, ",", False),
        ("https://matrix.example.org:8448", "example.org:8448", True),
        ("https://matrix.example.org:8448", "example.org:443", False),
        (HOME, "matrix.example.org:443", True),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "192.168.0.0/16", False),
        ("https://10.1.2.3", "10.1.2.3", True),
        (HOME, "10.0.0.0/8", False),
        (HOME, "nonsense/8", False),
        ("https://[2001:db8::7]:8448", "[2001:db8::7]", True),
        ("https://[2001:db8::7]:8448", "2001:db8::7", True),
        ("https://[2001:db8::7]", "2001:db8::/32", True),
    ],
)
def test_no_proxy_lists_what_is_asked_directly(url: str, no_proxy: str, *, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        found = proxy_url(url, **{"HTTPS_PROXY": PROXY, name: no_proxy})
        assert found == (None if direct else PROXY)


@given(
    host=st.sampled_from(["matrix.example.org", "example.org", "other.net", "10.1.2.3"]),
    entries=st.lists(
        st.sampled_from(["example.org", ".example.org", "matrix.example.org", "net", "10.1.2.3"]),
        max_size=3,
    ),
)
def test_names_are_compared_as_the_standard_library_compares_them(
    host: str, entries: list[str]
) -> None:
    no_proxy = ",".join(entries)
    expected = bool(no_proxy) and request.proxy_bypass_environment(host, {"no": no_proxy})  # type: ignore[attr-defined]
    found = proxy_url(f"https://{host}", HTTPS_PROXY=PROXY, NO_PROXY=no_proxy)
    assert (found is None) == bool(expected)


def test_the_standard_library_finds_the_same_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert request.getproxies_environment()[urlsplit(HOME).scheme] == proxy_url(
        HOME, HTTPS_PROXY=PROXY
    )


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("HTTPS_PROXY", "socks5://127.0.0.1:1080", "a socks5 proxy, which the bot does not"),
        ("ALL_PROXY", "socks5h://me:hush-hush@proxy:1080", "a socks5h proxy, which the bot"),
        ("all_proxy", "socks4://proxy:1080", "name an HTTP proxy"),
        ("https_proxy", "http://", "is not the URL of a proxy"),
        ("HTTPS_PROXY", "http://me:hush-hush@proxy:port", "is not the URL of a proxy"),
        ("HTTPS_PROXY", "http://pro xy:3128", "is not the URL of a proxy"),
        ("HTTPS_PROXY", "http://[::1", "is not the URL of a proxy"),
        ("HTTPS_PROXY", "http://proxy..example.org:3128", "is not the URL of a proxy"),
        ("HTTPS_PROXY", f"http://{'p' * 64}:3128", "is not the URL of a proxy"),
        ("HTTPS_PROXY", "http:/proxy:3128", "is not the URL of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    variable: str, value: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        proxy_for(HOME, {variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "hush-hush" not in str(caught.value)
    assert proxy_for("http://localhost", {variable: value}) is None


def test_the_password_of_a_proxy_is_a_secret_as_written_and_as_meant() -> None:
    found = proxy_for(HOME, {"HTTPS_PROXY": "http://me:hush%40hush@proxy:3128"})
    assert found is not None
    assert set(found.secrets) == {"hush%40hush", "hush@hush"}
    assert "hush" not in repr(found)
