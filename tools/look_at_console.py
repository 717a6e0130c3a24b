#!/usr/bin/env python3
"""Looks at every page of a console with a real Chromium: at a desk and on a phone, light and dark.

    look_at_console.py URL USER PASSWORD_FILE [--shots FOLDER] [--axe] [--more PATH…]

Each page must load, run no script, and be no wider than the screen. --axe runs axe-core on each of them; --shots keeps pictures.
Exit status 1 when something is wrong, which is printed.
"""

import argparse
import importlib.util
import json
import pathlib
import re
import sys

from playwright.sync_api import sync_playwright

SCREENS = {"desk": (1280, 800), "phone": (390, 844)}
# What nobody needs to be logged in for.
OPEN = ["/login"]
PAGES = ["/", "/?q=nothing-is-called-so", "/tickets", "/tickets?closed=true", "/tenants", "/proofs", "/vaults", "/users", "/audit", "/me", "/nowhere"]
# One page each of what is found behind links of these.
BEHIND = {
    "/": r"/hosts/\d+$",
    "/tenants": r"/tenants/\d+(/audit)?$",
    "/tickets": r"/tickets/[0-9A-Za-z]+$",
    "/tickets?closed=true": r"/tickets/[0-9A-Za-z]+$",
    "/proofs": r"/(proofs|sources)/\d+$",
    "/vaults": r"/vaults/\d+(/record)?$",
    "/hosts": r"/(sources/\d+|hosts/\d+/audit)$",
    "/sources": r"/runs/\d+$",
}
EACH = 1


def axe_script():
    found = importlib.util.find_spec("axe_playwright_python")
    return (pathlib.Path(found.origin).parent / "axe.min.js").read_text()


def links(page, pattern):
    hrefs = page.eval_on_selector_all("main a[href]", "all => all.map(a => new URL(a.href).pathname)")
    return list(dict.fromkeys(href for href in hrefs if re.search(pattern, href)))


def discover(page, url, more):
    """Every kind of page, with one or two examples of each."""
    found, queue = [], PAGES + more
    while queue:
        path = queue.pop(0)
        if path in found:
            continue
        found.append(path)
        kind = path if path in BEHIND else "/" + path.split("/")[1]
        if kind in BEHIND and not (kind == "/" and path != "/"):
            page.goto(url + path)
            behind = links(page, BEHIND[kind])
            kinds = {}
            for href in behind:
                kinds.setdefault(re.sub(r"/(\d+|[0-9a-f]{10})\b", "/N", href), []).append(href)
            queue += [href for some in kinds.values() for href in some[:EACH]]
    return found


def wrong_with(page, axe, rules):
    """What is wrong with the page that is shown, by all rules of axe-core or by some."""
    wrong = []
    if page.locator("script").count():
        wrong.append("it has scripts")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        wrong.append(f"it is {wide} pixels wider than the screen")
    if axe:
        # Its content policy lets no script in; a debugger is let in all the same.
        page.evaluate(axe)
        for violation in page.evaluate("rules => axe.run(rules ? {runOnly: rules} : {})", rules)["violations"]:
            nodes = [f"{node['html'][:150]} ({'; '.join(check['message'] for check in node['any'] + node['all'])[:200]})" for node in violation["nodes"]]
            wrong.append(f"{violation['id']} ({violation['impact']}): {violation['help']}: " + " | ".join(nodes[:4]))
    return wrong


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("url")
    asked.add_argument("user")
    asked.add_argument("password_file", type=pathlib.Path)
    asked.add_argument("--chromium", default="/usr/bin/chromium")
    asked.add_argument("--shots", type=pathlib.Path)
    asked.add_argument("--axe", action="store_true")
    asked.add_argument("--more", nargs="*", default=[])
    asked = asked.parse_args()
    axe = axe_script() if asked.axe else None
    password = asked.password_file.read_text().strip()
    looked, bad = 0, []
    with sync_playwright() as engine:
        # Chromium refuses its own sandbox to root.
        browser = engine.chromium.launch(executable_path=asked.chromium, args=["--no-sandbox"])
        session, paths = None, None
        for colours in ("light", "dark"):
            for screen, (width, height) in SCREENS.items():
                # Dark is the same layout: one screen is enough, when nobody wants pictures.
                if (screen, colours) == ("phone", "dark") and not asked.shots:
                    continue
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=colours, bypass_csp=True,
                    storage_state=session, ignore_https_errors=True, is_mobile=screen == "phone",
                )
                page = context.new_page()

                def look(path):
                    nonlocal looked
                    answer = page.goto(asked.url + path)
                    expected = 404 if path == "/nowhere" else 200
                    wrong = [] if answer.status == expected else [f"status {answer.status}"]
                    # In the dark only colours are others.
                    wrong += wrong_with(page, axe, ["color-contrast"] if colours == "dark" else None)
                    bad.extend(f"{path} ({screen}, {colours}): {what}" for what in wrong)
                    looked += 1
                    if asked.shots:
                        asked.shots.mkdir(parents=True, exist_ok=True)
                        name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "fleet"
                        page.screenshot(path=asked.shots / f"{name}.{screen}.{colours}.png", full_page=True)

                if session is None:
                    page.goto(asked.url + "/")
                    page.fill("input[name=name]", asked.user)
                    page.fill("input[name=password]", password)
                    page.click("button")
                    page.wait_for_url(asked.url + "/")
                    session = context.storage_state()
                    paths = discover(page, asked.url, asked.more)
                for path in paths:
                    look(path)
                context.clear_cookies()
                for path in OPEN:
                    look(path)
                context.close()
        browser.close()
    print(json.dumps({"looked": looked, "pages": paths, "wrong": bad}, indent=1))
    return 1 if bad or looked < 3 * len(PAGES) else 0


if __name__ == "__main__":
    sys.exit(main())
