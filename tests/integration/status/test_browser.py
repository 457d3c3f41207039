"""The status page in a real Chromium: followed, acted on, on a phone, without JavaScript."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import axe_selenium_python
import pytest
import urllib3
from django.contrib.auth.models import Permission, User
from pytest_django import Settings
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from coordinator.core import switches
from coordinator.ledger.models import Change
from coordinator.operations.models import Intervention
from tests.integration.status.conftest import READ_ONLY
from tests.integration.status.test_pages import abandon
from tests.support.payments import record
from tests.support.settling import settle, settle_again
from tests.support.upstream import Upstream
from tests.unit.payments import stripe_samples as samples
from tools.embedded import web

#: A limit for a test that fails; each wait ends as soon as what it waits for is there.
PATIENCE_SECONDS = 30
PASSWORD = "for this test alone"
#: Where screenshots go, for the documentation; none are made without it.
SCREENSHOTS = os.environ.get("STATUS_SCREENSHOTS", "")
PAGES = ["", "abandoned/", "findings/", "upstream/", "work/", "done/", "help/"]
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
)
_AXE = Path(axe_selenium_python.__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

Start = Callable[..., "Browser"]


class Browser:
    """A Chromium, and the address of the server that it looks at."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, page: str) -> None:
        """Open a page of the status page."""
        self.driver.get(f"{self.url}/status/{page}")

    def sign_in(self, name: str) -> None:
        """Ask for the status page, be sent to sign in, and do so."""
        self.driver.get(f"{self.url}/status/")
        self.driver.find_element(By.NAME, "username").send_keys(name)
        self.driver.find_element(By.NAME, "password").send_keys(PASSWORD + Keys.ENTER)
        self.sees("Changes as they come")

    def sees(self, text: str) -> None:
        """Wait until the page says `text`."""
        # Looked at in the middle of its change to another page, it is an error of many kinds.
        WebDriverWait(
            self.driver, PATIENCE_SECONDS, 0.1, ignored_exceptions=[WebDriverException]
        ).until(
            lambda driver: text in driver.find_element(By.TAG_NAME, "body").text,
            f"the page never said {text!r}",
        )

    def press(self, text: str) -> None:
        """Press the link or the button that is called `text`."""
        found = self.driver.find_elements(By.LINK_TEXT, text) or self.driver.find_elements(
            By.XPATH, f"//button[normalize-space()='{text}']"
        )
        found[0].click()

    def say_why(self, reason: str, button: str) -> None:
        """Give a reason, and press the button of the confirmation."""
        self.driver.find_element(By.ID, "reason").send_keys(reason)
        self.press(button)

    def has(self, width: int, scheme: str = "light") -> None:
        """Be a screen of so many pixels, of a reader who likes it light or dark."""
        screen = {"width": width, "height": 812, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def keep_screenshot(self, name: str) -> None:
        """Keep a picture for the documentation, where one is asked for."""
        if SCREENSHOTS:
            self.driver.save_screenshot(str(Path(SCREENSHOTS) / f"status-{name}.png"))

    def serious_faults(self) -> list[str]:
        """Return what axe finds serious or critical on this page."""
        self.driver.execute_script(_AXE.read_text())
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((found) => done(found.violations));"
        )
        return [
            f"{one['id']}: {[node['target'] for node in one['nodes']]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a Chromium, with or without JavaScript, on a running server."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        missing = "chromium and chromium-driver are not installed: tests/install-servers does it"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    settings.STRIPE_WEBHOOK_SECRETS = [samples.SECRET]
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    started: list[Chrome] = []
    with closing(web.bind(0)) as listener, web.serving(listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def open_browser(*, scripts: bool = True) -> Browser:
            options = ChromeOptions()
            options.binary_location = chromium
            for flag in (*_FLAGS, f"--user-data-dir={tmp_path / f'profile-{len(started)}'}"):
                options.add_argument(flag)
            if not scripts:
                blocked = {"profile.managed_default_content_settings.javascript": 2}
                options.add_experimental_option("prefs", blocked)
            started.append(Chrome(options=options, service=Service(driver)))
            started[-1].set_script_timeout(PATIENCE_SECONDS)
            return Browser(started[-1], url)

        try:
            yield open_browser
        finally:
            for one in started:
                one.quit()


@pytest.fixture(autouse=True)
def accounts() -> None:
    """Have a superuser, and a member of staff who may look at everything and do nothing."""
    User.objects.create_superuser("ada", password=PASSWORD)
    reader = User.objects.create_user("bob", password=PASSWORD, is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=READ_ONLY))


def send_webhook(url: str) -> None:
    """Send the webhook of a payment that succeeded."""
    body = samples.encoded(samples.event("payment_intent.succeeded", samples.succeeded()))
    headers = {"Content-Type": "application/json", "Stripe-Signature": samples.signature(body)}
    answer = urllib3.request(
        "POST", f"{url}/webhooks/stripe/", body=body, headers=headers, retries=False
    )
    assert answer.status == 200, answer.data


def test_a_payment_is_followed_from_its_webhook_until_it_is_warm(start: Start) -> None:
    browser = start()
    browser.sign_in("ada")
    browser.sees("No change yet.")
    send_webhook(browser.url)
    number = Change.objects.filter(resource="payment").get().identifier
    # By itself: nothing is pressed.
    browser.sees("payment_intent.succeeded unsettled")
    settle()
    browser.sees("payment_intent.succeeded warmed")
    browser.keep_screenshot("now")
    browser.press(f"payment.{number}")
    browser.sees("use the entry of 'succeeded'")
    browser.keep_screenshot("payment")


def test_warming_is_paused_and_goes_on(start: Start) -> None:
    browser = start()
    browser.sign_in("ada")
    browser.press("Set warming to paused")
    browser.sees("Changes are recorded and wait in the log")
    Select(browser.driver.find_element(By.ID, "minutes")).select_by_visible_text("1 hour")
    browser.say_why("upstream asked for it", "Throw a switch")
    browser.sees("warming is paused until")
    browser.sees("by ada: upstream asked for it")
    switches.forget()
    assert switches.warming_paused()
    browser.press("Set warming to on")
    browser.say_why("it is over", "Throw a switch")
    browser.sees("Warming: on")
    switches.forget()
    assert not switches.warming_paused()
    assert [one.reason for one in Intervention.objects.order_by("pk")] == [
        "upstream asked for it",
        "it is over",
    ]


def test_an_abandoned_change_is_tried_again_by_keyboard_and_becomes_warm(
    start: Start, upstream: Upstream
) -> None:
    change = abandon(upstream, reason="upstream_bad_answer: amount")
    browser = start()
    browser.sign_in("ada")
    browser.open("abandoned/")
    browser.sees("upstream_bad_answer: amount (1)")
    browser.driver.find_element(By.ID, f"change-{change.pk}").send_keys(Keys.SPACE + Keys.ENTER)
    browser.sees("Puts 1 abandoned change back into the queue")
    browser.driver.find_element(By.ID, "reason").send_keys("upstream is mended" + Keys.ENTER)
    browser.sees("1 put back into the queue.")
    upstream.agrees("EDX-1")
    settle_again()
    browser.open("")
    browser.sees("warmed")


def test_what_is_being_chosen_is_not_taken_away(start: Start, upstream: Upstream) -> None:
    change = abandon(upstream)
    browser = start()
    browser.sign_in("ada")
    browser.open("abandoned/")
    box = browser.driver.find_element(By.ID, f"change-{change.pk}")
    box.click()
    browser.driver.execute_script("document.activeElement.blur(); renew();")
    browser.driver.execute_async_script("setTimeout(arguments[0], 0)")
    assert box.is_selected()


def test_staff_who_may_only_look_sees_everything_and_is_offered_nothing(
    start: Start, upstream: Upstream
) -> None:
    abandon(upstream)
    browser = start()
    browser.sign_in("bob")
    for page in [*PAGES, "things/payment/EDX-1/"]:
        browser.open(page)
        offered = browser.driver.find_elements(By.CSS_SELECTOR, "a[href*='/status/do/']")
        assert [one.text for one in offered] == [], page
    browser.open("do/warm/?resource=payment&identifier=EDX-1")
    browser.sees("Not permitted")


def test_every_page_is_as_wide_as_a_phone(start: Start, upstream: Upstream) -> None:
    abandon(upstream, reason="upstream_bad_answer: a_rather_long_name_of_a_field_that_is_missing")
    browser = start()
    browser.has(375)
    browser.sign_in("ada")
    for page in [*PAGES, "things/payment/EDX-1/", "do/switch/?switch=warming&position=paused"]:
        browser.open(page)
        width = browser.driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= 375, page
    browser.open("abandoned/")
    browser.keep_screenshot("phone")


def test_without_javascript_pages_are_read_and_actions_done(start: Start) -> None:
    record("succeeded", at=1)
    browser = start(scripts=False)
    browser.sign_in("ada")
    browser.sees("payment_intent.succeeded unsettled")
    browser.open("things/payment/EDX-1/")
    browser.press("Warm now")
    browser.sees("Loads it from upstream if no usable entry is in the cache")
    browser.say_why("a user asked", "Warm now")
    browser.sees("payment.EDX-1: warmed.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_either_scheme(
    start: Start, upstream: Upstream, scheme: str
) -> None:
    abandon(upstream, "EDX-2")
    record("succeeded", at=1)
    browser = start()
    browser.has(1280, scheme)
    browser.driver.get(browser.url)
    assert browser.serious_faults() == []
    browser.sign_in("ada")
    for page in [*PAGES, "things/payment/EDX-1/", "do/switch/?switch=warming&position=paused"]:
        browser.open(page)
        assert browser.serious_faults() == [], page
