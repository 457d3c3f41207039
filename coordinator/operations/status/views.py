"""The views: each asks for what its page shows, and nothing else."""

from typing import Any, Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from coordinator.core import switches
from coordinator.core.keys import InvalidIdentifier, is_identifier
from coordinator.operations.models import Intervention
from coordinator.operations.status import access, actions, figures, ledger
from coordinator.operations.status import thing as things
from coordinator.operations.status.access import for_staff, may_do, may_see
from coordinator.upstream import conf as upstream_conf
from coordinator.warmer.models import Finding, Switch, Watermark

#: Sent by the page's script, which wants the part of it that changes.
PART: Final = "X-Status-Part"
_SEE_CHANGES: Final = "coordinator_ledger.view_change"
_SEE_FINDINGS: Final = "coordinator_warmer.view_finding"
_SEE_DONE: Final = f"{access.LABEL}.view_intervention"
_PAGES: Final = (
    ("status-now", "Now", ()),
    ("status-abandoned", "Abandoned", (_SEE_CHANGES,)),
    ("status-findings", "Findings", (_SEE_FINDINGS,)),
    ("status-upstream", "Upstream", ()),
    ("status-work", "Work", ()),
    ("status-done", "Done by staff", (_SEE_DONE,)),
    ("status-help", "Help", ()),
)
_MOST_REASON: Final = 200
_A_PAGE: Final = 50


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Lead staff to the status page, and others to the API's documentation."""
    if may_see(request.user):
        return redirect("status-now")
    return render(request, "coordinator/status/front.html")


@require_safe
@for_staff()
def now(request: HttpRequest) -> HttpResponse:
    """Show the newest changes, what is settled and loaded each minute, and the switches."""
    current = switches.current()
    kept = {one.name: one for one in Switch.objects.all()}
    shown = [
        {
            "name": name,
            "positions": positions,
            "position": getattr(current, name),
            "kept": kept.get(name),
        }
        for name, positions in switches.POSITIONS.items()
    ]
    return _page(
        request,
        "now",
        {
            "changes": things.timeline(ledger.newest_changes()),
            "switches": shown,
            "sparklines": figures.sparklines(),
            "may_throw": may_do(request.user, "throw_switch"),
        },
    )


@require_safe
@for_staff(_SEE_CHANGES)
def find(request: HttpRequest) -> HttpResponse:
    """Lead to the thing that was searched for."""
    text = request.GET.get("name", "")
    found = things.find(text) if text.strip() else None
    if found is None:
        messages.error(request, f"Nothing is known as {text!r}.")
        return redirect("status-now")
    name, identifier = found
    if not is_identifier(identifier):
        raise Http404
    return redirect("status-thing", name, identifier)


@require_safe
@for_staff(_SEE_CHANGES)
def one(request: HttpRequest, resource: str, identifier: str) -> HttpResponse:
    """Show everything that is known of one thing."""
    of = things.resource_of(resource)
    if of is None:
        raise Http404
    try:
        thing = things.look(of, identifier)
    except InvalidIdentifier as error:
        raise Http404 from error
    query = urlencode({"resource": of.name, "identifier": identifier})
    offered = [
        (action.title, f"{reverse('status-act', args=[action.name])}?{query}")
        for name in ("warm", "settle", "verify", "ask")
        if may_do(request.user, (action := actions.ACTIONS[name]).permission)
    ]
    status = 200 if thing.known else 404
    return _page(request, "thing", {"thing": thing, "offered": offered}, status=status)


@require_safe
@for_staff(_SEE_CHANGES)
def abandoned(request: HttpRequest) -> HttpResponse:
    """Show what was given up, by reason."""
    groups = ledger.groups()
    context = {
        "groups": groups,
        "total": sum(group.count for group in groups),
        "most": ledger.MOST,
        "may_retry": may_do(request.user, "retry_changes"),
    }
    return _page(request, "abandoned", context)


@require_safe
@for_staff(_SEE_FINDINGS)
def findings(request: HttpRequest) -> HttpResponse:
    """Show what verifying found."""
    page = Paginator(Finding.objects.all(), _A_PAGE).get_page(request.GET.get("page"))
    context = {"found": page, "may_verify": may_do(request.user, "verify_thing")}
    return _page(request, "findings", context)


@require_safe
@for_staff()
def upstream(request: HttpRequest) -> HttpResponse:
    """Show who uses upstream, and what goes wrong there."""
    context = {
        "uses": figures.uses(),
        "budget": upstream_conf.budget(),
        "errors": figures.errors(),
        "waiting": ledger.waiting_reasons(),
        "breakers": figures.breakers(),
    }
    return _page(request, "upstream", context)


@require_safe
@for_staff()
def work(request: HttpRequest) -> HttpResponse:
    """Show the beats, the processes that live, and how far long work has come."""
    context = {
        "beats": figures.beats(),
        "processes": figures.processes(),
        "marks": Watermark.objects.order_by("-saved_at")[:_A_PAGE],
    }
    return _page(request, "work", context)


@require_safe
@for_staff(_SEE_DONE)
def interventions(request: HttpRequest) -> HttpResponse:
    """Show what members of staff did here, and why."""
    done = Intervention.objects.order_by("-at", "-pk")
    page = Paginator(done, _A_PAGE).get_page(request.GET.get("page"))
    return _page(request, "done", {"done": page})


@require_safe
@for_staff()
def explained(request: HttpRequest) -> HttpResponse:
    """Explain the figures of the strip, and what to look at first."""
    return _page(request, "help", {})


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff()
def act(request: HttpRequest, name: str) -> HttpResponse:
    """Say what an action will do (GET), or do it (POST) with the reason that was given."""
    action = actions.ACTIONS.get(name)
    if action is None:
        raise Http404
    if not may_do(request.user, action.permission):
        return access.forbidden(request)
    data = request.POST if request.method == "POST" else request.GET
    try:
        plan = action.plan(data)
    except actions.BadRequest as error:
        raise Http404 from error
    reason = data.get("reason", "").strip()
    missing = request.method == "POST" and not (plan.possible and 0 < len(reason) <= _MOST_REASON)
    if request.method != "POST" or missing:
        context = {
            "action": action,
            "plan": plan,
            "parameters": [(key, v) for key in action.fields for v in data.getlist(key)],
            "minutes": actions.MINUTES if plan.has_end else (),
            "chosen": data.get("minutes", actions.MINUTES[0][0]),
            "reason": reason,
            "missing": missing,
        }
        return _page(request, "confirm", context, status=400 if missing else 200)
    by = request.user.get_username()
    done = actions.do(action, actions.Request(by, reason, data))
    if done.payload:
        return _page(request, "answer", {"action": action, "plan": plan, "done": done})
    messages.info(request, done.says)
    return redirect(plan.back)


def _page(
    request: HttpRequest, name: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Return the page, or only the part that changes, with the strip in both."""
    part = PART in request.headers
    shared = {
        "layout": f"coordinator/status/{'part' if part else 'page'}.html",
        "strip": figures.strip(),
        "pages": [
            (reverse(url), title, url == f"status-{name}")
            for url, title, permissions in _PAGES
            if may_see(request.user, *permissions)
        ],
        "may_find": may_see(request.user, _SEE_CHANGES),
    }
    template = f"coordinator/status/{name}.html"
    return render(request, template, {**shared, **context}, status=status)
