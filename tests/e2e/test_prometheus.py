# SPDX-License-Identifier: GPL-2.0-only
"""A real Prometheus scrapes the daemon: what does it know afterwards, and under which names?"""
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request

from harness import PYGROWD, TOP, Skip, once, wait_until
from test_alerts import LEAK_SECONDS, SCALE, watch
from test_discovery import ONLY, free_port, start, wait_regime, write

LABEL_BYTES = 256  # longer names are cut, as docs say
RULES = os.path.join(TOP, "deploy", "prometheus", "pygrowd.rules.yml")
DASHBOARD = os.path.join(TOP, "deploy", "grafana", "pygrowd.json")
CONFIG = """global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: pygrowd
    static_configs: [{targets: ['127.0.0.1:%d']}]
"""


class Prometheus:
    """Of our own: config, data and port."""

    def __init__(self, t, scraped, more=""):
        if not shutil.which("prometheus"):
            raise Skip("no prometheus here (package prometheus)")
        config = write(os.path.join(t.directory, "prometheus.yml"),
                       CONFIG % (RULES, scraped) + more)
        self.url = "http://127.0.0.1:%d" % free_port()
        self.process = t.process(
            "prometheus", "--config.file=" + config, "--log.level=warn",
            "--storage.tsdb.path=" + os.path.join(t.directory, "prometheus"),
            "--web.listen-address=" + urllib.parse.urlsplit(self.url).netloc)
        wait_until("Prometheus is ready", lambda: self.get("/-/ready"))

    def get(self, path):
        """None: nobody answers, or not yet."""
        assert self.process.popen.poll() is None, "Prometheus ended: %s" % self.process.stderr()
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def query(self, text):
        """[(labels, value), ...]"""
        answer = json.loads(self.get("/api/v1/query?" + urllib.parse.urlencode({"query": text})))
        assert answer["status"] == "success", answer
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]


class Alertmanager:
    """Likewise; it tells nobody, but can be asked."""

    def __init__(self, t):
        if not shutil.which("prometheus-alertmanager"):
            raise Skip("no Alertmanager here (package prometheus-alertmanager)")
        config = write(os.path.join(t.directory, "alertmanager.yml"),
                       "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self.place = "127.0.0.1:%d" % free_port()
        t.process("prometheus-alertmanager", "--config.file=" + config, "--log.level=error",
                  "--storage.path=" + os.path.join(t.directory, "alertmanager"),
                  "--cluster.listen-address=", "--web.listen-address=" + self.place)
        wait_until("Alertmanager is ready", lambda: self.firing() is not None)

    def firing(self):
        """Labels of what fires; None: it does not answer yet."""
        try:
            with urllib.request.urlopen("http://%s/api/v2/alerts" % self.place, timeout=5) as answer:
                return [row["labels"] for row in json.load(answer)]
        except OSError:
            return None


def page_of(port):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=5) as answer:
        return answer.read().decode()


def watched(t, script):
    target, port = t.target(script), free_port()
    # Exact, and it stays so: what is tested here is not an estimate.
    config = "overhead = 50%%\nhost-overhead = 100%%\nmetrics = 127.0.0.1:%d\n" % port
    pygrowd, _ = start(t, config + ONLY % ("corpus/" + script),
                       "--state", os.path.join(t.directory, "state"))
    wait_regime(pygrowd, target.pid, ("exact",))
    return target, pygrowd, port, Prometheus(t, port)


@once
def scrapes(t):
    target, pygrowd, _, prometheus = watched(t, "leak_23.py")
    truth = target.ask("steadily", "large", 60)
    wait_until("a scrape", lambda: prometheus.query("up == 1"))
    version = subprocess.run([PYGROWD, "--version"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.split()[1]
    built = prometheus.query("pygrowd_build_info")
    t.result("prometheus__build_info", None if len(built) == 1 and built[0][1] == 1 and
             built[0][0]["version"] == version else str(built))
    leak = 'pygrowd_stack_live_bytes{pid="%d",function="leak_large"}' % target.pid
    first = wait_until("the leak", lambda: prometheus.query(leak))[0][1]
    wait_until("the leak grows", lambda: any(value > first for _, value in prometheus.query(leak)))
    t.result("prometheus__the_leak_grows")
    rate = leak.replace("live_bytes", "growth_bytes_per_second")

    def is_right():
        # The request itself has taken such blocks once, by another stack.
        return any(abs(value / truth["bytes_per_second"] - 1) < 0.2
                   for _, value in prometheus.query(rate))
    wait_until("its growth is %d bytes/s: %s" % (truth["bytes_per_second"], prometheus.query(rate)),
               is_right)
    t.result("prometheus__its_growth")
    t.result("prometheus__always_up", None if prometheus.query("min_over_time(up[1m]) == 1") else
             str(prometheus.query("up[1m]")))
    pygrowd.stop()
    wait_until("it is down", lambda: prometheus.query("up == 0"))
    wait_until("its series have ended", lambda: not prometheus.query(leak))
    t.result("prometheus__series_end_with_it")


def shown(name):
    """As pygrowd writes names anywhere: what is no text for a terminal is an escape."""
    def hides(c):
        return c < " " or c in "\x7f\u200b\u202e" or "\ud800" <= c <= "\udfff"
    return "".join(("\\x%02x" if c < "\x80" else "\\u%04x") % ord(c) if hides(c) else c
                   for c in name)


def is_label(label, name):
    """The name, or what is left of one that is too long: its start, or of a file its end."""
    if len(name) <= LABEL_BYTES / 4:
        return label == shown(name)
    kept = label.replace("…", "")
    return (kept != label and len(kept) > 100 and kept in name
            and len(label.encode()) <= LABEL_BYTES + len("…".encode()))


@once
def hostile_names(t):
    """Names arrive as pygrowd writes them, none of them as syntax."""
    target, pygrowd, port, prometheus = watched(t, "labels.py")
    truth = target.ask("leak_all")
    of_target = 'pygrowd_stack_live_bytes{pid="%d"}' % target.pid

    def leaks():
        return [(labels, value) for labels, value in prometheus.query(of_target)
                if labels["line"] == str(truth["line"])]
    wait_until("%d series: %s" % (len(truth["names"]), leaks()),
               lambda: len(leaks()) == len(truth["names"]))
    for number, (function, file) in enumerate(truth["names"]):
        rows = [value for labels, value in leaks()
                if is_label(labels["function"], function) and is_label(labels["file"], file)]
        t.result("prometheus__hostile_name_%d" % number, None if rows == [truth["bytes"]] else
                 "%r in %r: %s in %s" % (function[:99], file[:99], rows, leaks()))
    names = {row[0]["__name__"] for row in prometheus.query('{job="pygrowd"}')}
    own = ("pygrowd_", "scrape_", "up", "ALERTS")  # the last are Prometheus' own, of a rule that fires
    forged = sorted(name for name in names if not name.startswith(own))
    forged += sorted(names & {"pygrowd_forged"})
    t.result("prometheus__nothing_is_forged", " ".join(forged) or None)
    # By its own name, as an alert rule would: quoted by Prometheus' rules, which are JSON's here.
    name = shown(truth["names"][1][0])
    exact = prometheus.query("pygrowd_stack_live_bytes{function=%s} > 0" % json.dumps(name))
    t.result("prometheus__found_by_its_name", None if len(exact) == 1 else str(exact))
    done = subprocess.run(["promtool", "check", "metrics"], input=page_of(port), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    t.result("prometheus__promtool", done.stdout or (done.returncode and "failed") or None)
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()


def promtool(*words):
    """None, or what it has to say against it."""
    if not shutil.which("promtool"):
        raise Skip("no promtool here (package prometheus)")
    done = subprocess.run(["promtool", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return None if done.returncode == 0 else done.stdout


@once
def alert_rules(t):
    """Of deploy/: syntax, and on series of which it is known what they should say."""
    t.result("prometheus__rules", promtool("check", "rules", RULES))
    t.result("prometheus__rules_fire",
             promtool("test", "rules", RULES.replace(".rules.yml", ".rules.test.yml")))


def dashboard_queries():
    """Every PromQL expression of the dashboard, with Grafana's variables as it would fill them in."""
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield (target["expr"].replace("$instance", ".*").replace("$pid", ".*")
                   .replace("$__rate_interval", "1m"))


@once
def rules_and_dashboard_fit(t):
    """A real Prometheus understands them, and they ask for metrics that there are."""
    _, pygrowd, port, prometheus = watched(t, "leak_23.py")
    wait_until("a scrape", lambda: prometheus.query("up == 1"))
    groups = json.loads(prometheus.get("/api/v1/rules"))["data"]["groups"]
    wait_until("the rules are evaluated: %s" % groups, lambda: all(
        rule["health"] == "ok" for group in json.loads(prometheus.get("/api/v1/rules"))["data"]["groups"]
        for rule in group["rules"]), 90)
    t.result("prometheus__rules_are_evaluated", None if groups else "no rules are loaded")
    queries = list(dashboard_queries())
    for query in queries:
        prometheus.query(query)  # asserts that it was understood
    t.result("prometheus__dashboard_queries", None if len(queries) > 10 else "only %d" % len(queries))
    with open(RULES) as file:
        asked = set(re.findall(r"\bpygrowd_[a-z_]+", file.read() + " ".join(queries)))
    there = set(re.findall(r"^# HELP (\w+)", page_of(port), re.M))
    t.result("prometheus__metrics_of_rules_and_dashboard", " ".join(sorted(asked - there)) or None)
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()


@once
def alertmanager(t):
    """A leak arrives there on both ways, from us and by Prometheus' rules; it ends, and is resolved."""
    manager, target, port = Alertmanager(t), t.target("leak_23.py"), free_port()
    pygrowd = watch(t, [target.pid], SCALE + "metrics = 127.0.0.1:%d\n" % port +
                    "alert-alertmanager = 'http://%s'\n" % manager.place)
    Prometheus(t, port, "alerting: {alertmanagers: [{static_configs: [{targets: ['%s']}]}]}\n"
               % manager.place)
    target.ask("steadily", "large", LEAK_SECONDS)

    def leaks(ours):
        return [labels for labels in manager.firing() if labels["function"] == "leak_large" and
                labels["alertname"] == "PygrowdStackGrows" and ("alert_id" in labels) == ours]
    began = time.monotonic()
    wait_until("ours arrives", lambda: leaks(True), LEAK_SECONDS)
    t.result("prometheus__alertmanager_hears_of_us")
    wait_until("the rule's arrives", lambda: leaks(False), LEAK_SECONDS)
    t.result("prometheus__alertmanager_hears_of_the_rule")
    # What is dropped before it has ended by itself is taken again.
    time.sleep(max(0, began + LEAK_SECONDS + 2 - time.monotonic()))
    target.ask("drop")
    wait_until("they are resolved: %s" % manager.firing(), lambda: not manager.firing(), 60)
    t.result("prometheus__alertmanager_resolves")
    assert pygrowd.stop()[0] == 0, pygrowd.stderr()
