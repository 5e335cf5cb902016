from __future__ import annotations

from genai_grpc import errors
from genai_grpc._rpc.retry_budget import RESERVE, WINDOW, RetryBudget
from genai_grpc._rpc.retry_policy import RetryPolicy

FULL = errors.ResourceExhausted("no")


def taken(budget: RetryBudget, now: float, wanted: int = 1000) -> int:
    """How many retries a client may spend at once."""
    return sum(budget.try_withdraw(RetryPolicy(), now) for _ in range(wanted))


def test_the_balance_of_retries() -> None:
    """The reserve is spent, then only what calls pay in; time fills the reserve again."""
    budget, policy = RetryBudget(), RetryPolicy(budget_ratio=0.5)
    assert taken(budget, 100) == RESERVE
    for _ in range(4):
        budget.deposit(policy, 100)
    assert taken(budget, 100) == 2
    assert taken(budget, 100 + WINDOW) == 1
    assert taken(budget, 100 + 4.5 * WINDOW) == 3
    assert taken(budget, 1e6) == RESERVE


def test_what_was_paid_in_lapses() -> None:
    """A busy client may try again many calls at once, but not more for what it called long ago."""
    budget, policy = RetryBudget(), RetryPolicy(budget_ratio=0.5)
    for now in range(100, 200):
        for _ in range(20):
            budget.deposit(policy, now)
    assert taken(budget, 199) == RESERVE + 2 * 0.5 * 20 * WINDOW
    for now in range(200, 300):
        for _ in range(20):
            budget.deposit(policy, now)
    assert taken(budget, 300 + WINDOW) == RESERVE


def test_a_fleet_that_calls_seldom() -> None:
    """In an outage of a minute, a client of one call a second tries some half of its calls again."""
    budget, policy = RetryBudget(), RetryPolicy()
    for now in range(100, 1000):
        budget.deposit(policy, now)
    spent = 0
    for now in range(1000, 1060):
        budget.deposit(policy, now)
        spent += taken(budget, now, 3)
    assert spent < 0.6 * 60


def test_no_budget() -> None:
    """A policy without a budget is not bounded by it."""
    budget, policy = RetryBudget(), RetryPolicy(budget_ratio=None)
    assert all(budget.try_withdraw(policy, 0) for _ in range(1000))
