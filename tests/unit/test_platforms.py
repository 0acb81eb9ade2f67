"""BOT_PLATFORM: the platforms that can be chosen, and what is said about those that can't."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from actors.bounds import Bounds
from actors.platform import Platform
from adapter.platform.discreet import DiscreetPlatform
from adapter.platform.openai.platform import OpenAIPlatform
from adapter.platform.webhook.platform import WebhookPlatform
from supervisor.app.platforms import BUILT_IN, load_settings_and_platform, platform_of
from supervisor.settings import SettingsRefused, hints, load_settings
from tests.environment import Environment

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SHOUT = """
    from pydantic import SecretStr
    from pydantic_settings import BaseSettings, SettingsConfigDict

    from adapter.platform.simple import SimplePlatform


    class ShoutSettings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="SHOUT_")
        mark: str = "!"
        times: int = 1
        key: SecretStr
        words: list[str] = []


    class Shout(SimplePlatform):
        Settings = ShoutSettings

        def __init__(self, settings):
            self.settings = settings

        async def reply(self, ask):
            return ask.question.text.upper() + self.settings.mark


    class Simple(SimplePlatform):
        async def reply(self, ask):
            return "yes"


    class Broken(Simple):
        def __init__(self):
            raise RuntimeError("no such thing")


    class Talkative(Shout):
        def __init__(self, settings):
            raise RuntimeError(f"bad key {settings.key.get_secret_value()}")


    class Half:
        async def answer(self, ask): ...


    class Lazy(SimplePlatform):
        pass


    class Bare(Simple):
        class Settings(BaseSettings):
            pass


    class Greedy(Simple):
        class Settings(BaseSettings, env_prefix="MATRIX_"):
            password: str


    class Odd(Simple):
        Settings = dict

    def function(settings): ...
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    return Environment(monkeypatch, tmp_path)


class Site:
    """A folder with packages, as an environment has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, entry: str, source: str = SHOUT, *, package: str = "") -> None:
        """A package with one module, and an entry point."""
        package = package or f"{name}-bot"
        info = self.folder / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
        points = f"[surfaces_bot.platforms]\n{name} = {entry}\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
        module = entry.partition(":")[0]
        (self.folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        importlib.invalidate_caches()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    known = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - known:
        if name.startswith("surfaces_plugin"):
            del sys.modules[name]


def refused() -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as caught:
        load_settings_and_platform()
    return caught.value.lines


def slips() -> tuple[str, ...]:
    chosen = load_settings_and_platform().chosen_platform
    assert chosen is not None
    return hints(chosen.variables, chosen.prefix)


def inner(platform: Platform) -> Platform:
    assert isinstance(platform, DiscreetPlatform)
    return platform.inner


def made() -> Platform:
    return platform_of(load_settings_and_platform(), Bounds())


@pytest.mark.usefixtures("environment")
def test_echo_is_the_default_and_imports_nothing_of_the_others() -> None:
    program = dedent("""
        import sys
        from supervisor.app import platforms

        def refuse(*_):
            raise AssertionError("plugins are looked for")

        platforms.find_plugin = refuse
        settings = platforms.load_settings_and_platform()
        print([name for name in sys.modules if name.startswith(("adapter.", "aiohttp."))])
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "['adapter.platform', 'adapter.platform.echo']\n"


def test_a_webhook_has_its_settings_its_time_limit_and_its_proxy(environment: Environment) -> None:
    environment.write(f"WEBHOOK_URL=https://chat.example.org/ask\nWEBHOOK_SECRET={SECRET}\n")
    environment.put(
        BOT_PLATFORM="webhook",
        BOT_PLATFORM_CONNECT_S="3",
        WEBHOOK_KEEPS_HISTORY="",
        WEBHOOK_ACCEPTS="image/*",
        HTTPS_PROXY="http://me:hush-hush@proxy.example.org:3128",
    )
    settings = load_settings_and_platform()
    platform = inner(platform_of(settings, Bounds()))
    assert isinstance(platform, WebhookPlatform)
    assert platform.capabilities.accepts == ("image/*",)
    assert not platform.capabilities.keeps_history
    assert platform._connect_s == 3
    assert platform._http._proxy is not None
    assert platform._http._proxy.address == "http://proxy.example.org:3128"
    assert {SECRET, "hush-hush"} <= set(settings.secrets)
    assert SECRET not in f"{settings!r} {settings.chosen_platform!r}"


def test_openai_has_its_settings_its_time_limit_and_its_proxy(environment: Environment) -> None:
    environment.write("OPENAI_BASE_URL=https://llm.example.org/v1\nOPENAI_API_KEY=sk-hush-hush\n")
    environment.put(
        BOT_PLATFORM="openai",
        OPENAI_MODELS="x",
        OPENAI_CONTEXT_TOKENS="",
        HTTPS_PROXY="http://proxy.example.org:3128",
    )
    assert "sk-hush-hush" in load_settings_and_platform().secrets
    assert isinstance(inner(made()), OpenAIPlatform)
    assert slips() == ("OPENAI_MODELS: is not a variable of the bot: did you mean OPENAI_MODEL?",)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OPENAI_API_KEY", "", "is not set: set it to a key of OpenAI"),
        ("OPENAI_BASE_URL", "llm.example.org", "is not a URL"),
        ("OPENAI_TEMPERATURE", "hot", "is not a temperature"),
    ],
)
def test_one_wrong_value_of_openai_is_one_line(
    environment: Environment, variable: str, value: str, says: str
) -> None:
    environment.put(BOT_PLATFORM="openai", OPENAI_API_KEY="sk-hush-hush")
    environment.put(**{variable: value})
    (line,) = refused()
    assert line.startswith(f"{variable}: ")
    assert says in line


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WEBHOOK_URL", "", "is not set: set it to the receiver's URL"),
        ("WEBHOOK_URL", "chat.example.org", "is not a URL"),
        ("WEBHOOK_URL", "https://chat..example.org", "is not a URL"),
        ("WEBHOOK_URL", "https://me:hush-hush@chat.example.org", "contains a user name"),
        ("WEBHOOK_SECRET", "hush-hush", "is shorter than 24 bytes"),
        ("WEBHOOK_KEEPS_HISTORY", "often", "use true or false"),
        ("WEBHOOK_CONTEXT_TOKENS", "many", "is not a whole number"),
        ("WEBHOOK_CONTEXT_TOKENS", "10", "use 256 or more"),
        ("WEBHOOK_ACCEPTS", "pictures", "image/*"),
        ("HTTPS_PROXY", "socks5://localhost:1080", "names a socks5 proxy"),
    ],
)
def test_one_wrong_value_of_a_webhook_is_one_line(
    environment: Environment, variable: str, value: str, says: str
) -> None:
    environment.put(BOT_PLATFORM="webhook", WEBHOOK_URL="https://chat.example.org/ask")
    environment.put(NO_PROXY="matrix.example.org", **{variable: value})
    (line,) = refused()
    assert line.startswith(f"{variable}: ")
    assert says in line
    assert "hush-hush" not in line


def test_the_errors_of_the_bot_and_of_the_platform_are_told_together(
    environment: Environment,
) -> None:
    environment.put(BOT_PLATFORM="webhook", BOT_LOCALE="de", WEBHOOK_URLS="x")
    locale, url, hint = refused()
    assert locale.startswith("BOT_LOCALE: ")
    assert url.startswith("WEBHOOK_URL: is not set")
    assert hint.endswith("did you mean WEBHOOK_URL?")


def test_misspelt_variables_of_a_platform_matter_only_if_it_is_chosen(
    environment: Environment,
) -> None:
    environment.put(WEBHOOK_URL="https://chat.example.org", WEBHOOK_SECRETS="x")
    assert slips() == ()
    environment.put(BOT_PLATFORM="webhook")
    assert slips() == (
        "WEBHOOK_SECRETS: is not a variable of the bot: did you mean WEBHOOK_SECRET?",
    )


def test_commands_that_do_not_ask_the_platform_do_not_look_at_it(environment: Environment) -> None:
    environment.put(BOT_PLATFORM="no-such-platform")
    assert load_settings().platform == "no-such-platform"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ecko", "did you mean echo?"),
        ("Echo", "did you mean echo?"),
        ("shuot", "did you mean shout?"),
        ("gpt", f"Use {', '.join(BUILT_IN)}, or a plugin: shout"),
        ("a\nb", "is 'a\\nb'"),
    ],
)
def test_an_unknown_platform_gets_a_close_match(
    environment: Environment, site: Site, name: str, says: str
) -> None:
    site.install("shout", "surfaces_plugin:Shout")
    environment.put(BOT_PLATFORM=name)
    (line,) = refused()
    assert line.startswith("BOT_PLATFORM: is ")
    assert says in line
    assert "\n" not in line


def test_a_plugin_is_made_with_its_settings(environment: Environment, site: Site) -> None:
    site.install("shout", "surfaces_plugin:Shout")
    environment.write("SHOUT_MARK=?\nSHOUT_TIMES=\n")
    environment.put(BOT_PLATFORM="shout", SHOUT_KEY="hush hush-hush")
    discreet = made()
    assert isinstance(discreet, DiscreetPlatform)
    assert vars(inner(discreet))["settings"].mark == "?"
    assert discreet.hide("the key is hush-hush") == "the key is [redacted]"
    assert {"hush hush-hush", "hush-hush"} <= set(load_settings_and_platform().secrets)


def test_the_variables_of_the_bot_in_the_file_do_not_disturb_a_plugin(
    environment: Environment, site: Site
) -> None:
    site.install("shout", "surfaces_plugin:Shout")
    environment.write("BOT_PLATFORM=shout\nSTATUS_BIND=\nOPENAI_MODEL=m\nSHOUT_MARK=?\n")
    assert refused() == ("SHOUT_KEY: is not set: set it",)
    environment.put(SHOUT_KEY="hush-hush")
    settings = load_settings_and_platform()
    assert "hush-hush" in settings.secrets
    platform = inner(platform_of(settings, Bounds()))
    assert getattr(platform, "settings").mark == "?"  # noqa: B009  of the plugin's own class


def test_a_plugin_may_have_no_settings(environment: Environment, site: Site) -> None:
    site.install("simple", "surfaces_plugin:Simple")
    environment.put(BOT_PLATFORM="simple")
    assert type(inner(made())).__name__ == "Simple"


def test_the_errors_in_the_settings_of_a_plugin_name_its_variables(
    environment: Environment, site: Site
) -> None:
    site.install("shout", "surfaces_plugin:Shout")
    environment.put(BOT_PLATFORM="shout", SHOUT_TIMES="often")
    times, key = sorted(refused(), reverse=True)
    assert times == "SHOUT_TIMES: is not a whole number: write it with digits alone"
    assert key == "SHOUT_KEY: is not set: set it"
    environment.put(SHOUT_TIMES="2", SHOUT_KEY="k", SHOUT_WORDS="one, two")
    assert refused() == ('SHOUT_WORDS: is not JSON: write it like ["one", "two"]',)
    environment.drop("SHOUT_WORDS")
    environment.write("SHOUT_MRK=?\n")
    assert refused() == ("SHOUT_MRK: is not a variable of the bot: did you mean SHOUT_MARK?",)
    environment.write("SHOUT_VERY_LOUDLY=yes\n")
    (line,) = refused()
    assert line.startswith("SHOUT_VERY_LOUDLY: is not a variable of shout: it has SHOUT_KEY, ")


@pytest.mark.parametrize(
    ("entry", "source", "says"),
    [
        ("surfaces_plugin:Shuot", SHOUT, "has no attribute 'Shuot'"),
        ("surfaces_plugin:Shout", "import no_such_module", "No module named 'no_such_module'"),
        ("surfaces_plugin:Shout", "def :", "SyntaxError"),
        ("surfaces_plugin:Shout", "raise SystemExit(3)", "SystemExit: 3"),
        ("surfaces_plugin:function", SHOUT, "is not a class of a platform"),
        ("surfaces_plugin", SHOUT, "is not a class of a platform"),
        ("surfaces_plugin:Half", SHOUT, "has no check, forget, close"),
        ("surfaces_plugin:Lazy", SHOUT, "has no reply"),
        ("surfaces_plugin:Bare", SHOUT, "need a prefix of their own"),
        ("surfaces_plugin:Greedy", SHOUT, "has the env_prefix 'MATRIX_'"),
        ("surfaces_plugin:Odd", SHOUT, "is not a subclass of pydantic_settings.BaseSettings"),
    ],
)
def test_each_mistake_of_a_plugin_is_one_line(
    environment: Environment, site: Site, entry: str, source: str, says: str
) -> None:
    site.install("shout", entry, source)
    environment.put(BOT_PLATFORM="shout", SHOUT_KEY="k")
    (line,) = refused()
    assert line.startswith("BOT_PLATFORM: ")
    assert says in line
    assert "shout-bot 1.0" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("surfaces_plugin:Broken", "RuntimeError: no such thing"),
        ("surfaces_plugin:Talkative", "RuntimeError: bad key [redacted]"),
    ],
)
def test_a_plugin_that_can_not_be_made_is_refused_without_its_secrets(
    environment: Environment, site: Site, entry: str, says: str
) -> None:
    site.install("shout", entry)
    environment.put(BOT_PLATFORM="shout", SHOUT_KEY="hush-hush")
    with pytest.raises(SettingsRefused) as caught:
        made()
    assert caught.value.lines == (f"BOT_PLATFORM: shout can't be made ({says})",)


def test_two_plugins_with_one_name_are_refused(environment: Environment, site: Site) -> None:
    site.install("shout", "surfaces_plugin:Shout")
    site.install("shout", "surfaces_plugin:Simple", package="loud")
    environment.put(BOT_PLATFORM="shout")
    assert refused() == (
        "BOT_PLATFORM: loud 1.0 and shout-bot 1.0 both bring shout: uninstall one of them",
    )


def test_a_plugin_can_not_take_the_place_of_a_built_in_platform(
    environment: Environment, site: Site
) -> None:
    site.install("echo", "surfaces_plugin:Broken")
    environment.put(BOT_PLATFORM="echo")
    assert type(made()).__name__ == "EchoPlatform"


def test_a_dotenv_file_that_is_not_text_is_told_once(environment: Environment) -> None:
    (environment.folder / ".env").write_bytes(b"BOT_PLATFORM=webhook\xff\n")
    (line,) = refused()
    assert line.startswith(".env: cannot be read")
