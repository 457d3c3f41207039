"""The ledger's rows: which state each thing is in, and the append-only log of how it got there."""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from coordinator.core.keys import IDENTIFIER_MAX_LENGTH, IDENTIFIER_PATTERN
from coordinator.core.resource import Standing
from coordinator.ledger.states import StateTable


class Touch(NamedTuple):
    """A thing that shows another one, which changed: it is as new as what it shows."""

    resource: str
    number: str


class Ledgered(models.Model):
    """A thing whose state the ledger knows. Its rows are written by `record_change` alone.

    A subclass names its resource, its table of states and its owner's column, and says how content
    becomes columns and columns become a state.
    """

    resource_name: ClassVar[str]
    state_table: ClassVar[StateTable]
    #: The name of the column that says who may read it.
    owner_column: ClassVar[str]
    #: The resources whose things may show this one: all that `shown_in` may name.
    containers: ClassVar[tuple[str, ...]] = ()

    number = models.CharField(
        max_length=IDENTIFIER_MAX_LENGTH,
        unique=True,
        validators=[RegexValidator(rf"\A(?:{IDENTIFIER_PATTERN})\Z")],
        help_text="Our own identifier, like EDX-1001.",
    )
    upstream_id = models.CharField(
        max_length=255, unique=True, help_text="The provider's identifier, like pi_..."
    )
    state = models.CharField(max_length=32)
    revision = models.PositiveBigIntegerField(
        default=0, help_text="+1 on every accepted change; never reused, never goes back."
    )
    version = models.BigIntegerField(
        null=True, blank=True, help_text="Upstream's own version, where it tells one."
    )
    occurred_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the newest accepted change happened: upstream's clock, or ours where it "
        "told no time.",
    )
    words = models.JSONField(
        default=dict,
        blank=True,
        encoder=DjangoJSONEncoder,
        editable=False,
        help_text="What each of its upstream objects last said, and when (`ledger.order`).",
    )
    changed_at = models.DateTimeField(default=timezone.now, help_text="When we recorded it.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.resource_name}.{self.number}"

    @property
    def owner(self) -> str:
        """Return who may read it; empty if only staff may."""
        owner: str = getattr(self, self.owner_column)
        return owner

    def apply(self, content: Mapping[str, object]) -> None:
        """Take over what a change says of the columns."""
        for column, value in content.items():
            setattr(self, column, value)

    def combine(self, words: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
        """Return the columns that the last words of its subjects add up to, by subject.

        Only for things that are several objects upstream: events that name a subject say what that
        object says, and nothing of the others.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how its subjects' words combine")

    def shown_in(self) -> Iterable[Touch]:
        """Yield what shows this row, by what the row and the database say now.

        Asked in the transaction of a change, under the row's lock, before the change and after it:
        what showed it and what shows it are both touched. A number that the ledger does not know is
        left out.
        """
        return ()

    def derive_state(self) -> str:
        """Return the state that the columns add up to.

        As it stands, for content that names the state itself: ``content={"state": "paid"}``.
        """
        return self.state

    def shown(self) -> Mapping[str, str]:
        """Return what members of staff are shown of the row: text, by a name in words."""
        return {
            str(field.verbose_name): str(value)
            for field in self._meta.concrete_fields
            if not field.primary_key
            and field.name != "words"
            and (value := getattr(self, field.attname)) not in {None, ""}
        }

    @classmethod
    def recipe(cls) -> Mapping[str, Any]:
        """Return the fields of a Resource that this model knows: see ``Resource.of``."""
        from coordinator.ledger.joining import is_committed  # they need this class
        from coordinator.ledger.queries import may_seed, standings_of

        return {
            "name": cls.resource_name,
            "states": cls.state_table.names,
            "standings": standings_of(cls),
            "may_seed": may_seed,
            "is_committed": partial(is_committed, cls.resource_name),
            "likely_states": cls.state_table.open_names[:1],
        }

    def standing(self) -> Standing:
        """Return what the core needs to know of this row."""
        return Standing(
            self.state,
            self.revision,
            self.owner,
            self.upstream_id,
            self.version,
            self.occurred_at,
        )


class ChangeOutcome(models.TextChoices):
    """How a change ended. Empty while it has not."""

    WARMED = "warmed"
    SUPERSEDED = "superseded"
    OUT_OF_DATE = "out_of_date"
    ABANDONED = "abandoned"


#: A change is settled when its outcome is known and its pointer confirmed; this is the rest.
UNSETTLED = Q(outcome="") | Q(confirmed_at=None)


class Change(models.Model):
    """One accepted or late event of the append-only log, which is also the queue of work.

    Written in the transaction of the row that it changed, so no commit can lose its work. Only the
    columns that say how it is settled ever change afterwards.
    """

    resource = models.CharField(max_length=64)
    identifier = models.CharField(max_length=IDENTIFIER_MAX_LENGTH)
    revision = models.PositiveBigIntegerField(
        help_text="The revision that it made, or the one that stood when it came too late."
    )
    state = models.CharField(max_length=32, help_text="The state that it says.")
    previous_state = models.CharField(max_length=32, blank=True)
    event_id = models.CharField(max_length=255, unique=True)
    event_type = models.CharField(max_length=128)
    occurred_at = models.DateTimeField(null=True, blank=True, help_text="Upstream's clock.")
    recorded_at = models.DateTimeField(default=timezone.now, help_text="Ours.")
    correlation_id = models.CharField(max_length=64, blank=True)
    applied = models.BooleanField(default=True, help_text="False: logged, made no revision.")
    confirm = models.BooleanField(
        default=False, help_text="Its order could not be told: upstream has the last word."
    )
    suspended = models.BooleanField(
        default=False, help_text="The cache acknowledged the pointer's suspension."
    )
    outcome = models.CharField(max_length=16, blank=True, choices=ChangeOutcome.choices)
    reason = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When the outcome was known.")
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the pointer was confirmed."
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="How often it was tried, to an end that says something of it."
    )
    claims = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="How often it was claimed since: more than one, and workers died over it.",
    )
    next_attempt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at", "id"], condition=UNSETTLED, name="ledger_unsettled"
            ),
            models.Index(fields=["id"], condition=UNSETTLED, name="ledger_newest"),
            models.Index(fields=["resource", "identifier", "id"], name="ledger_history"),
            models.Index(
                fields=["ended_at"], condition=Q(outcome="abandoned"), name="ledger_abandoned"
            ),
            models.Index(fields=["recorded_at"], name="ledger_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.resource}.{self.identifier} r{self.revision} {self.event_type}"

    @property
    def settled(self) -> bool:
        """Return True if the outcome is known and the pointer confirmed."""
        return bool(self.outcome) and self.confirmed_at is not None


def model_of(resource_name: str) -> type[Ledgered]:
    """Return the model that keeps this resource's rows; raise LookupError if there is none."""
    try:
        return ledgered_models()[resource_name]
    except KeyError:
        raise LookupError(f"no model keeps the resource {resource_name!r}") from None


@cache
def ledgered_models() -> Mapping[str, type[Ledgered]]:
    """Return the models that keep rows of the ledger, by resource name."""
    # A system check tells of a model that names none.
    return {
        model.resource_name: model
        for model in apps.get_models()
        if issubclass(model, Ledgered) and hasattr(model, "resource_name")
    }
