from __future__ import annotations

from genai_grpc._rpc.retry_budget import RESERVE, WINDOW, RetryBudget
from genai_grpc._rpc.retry_policy import RetryPolicy


def withdraw(budget: RetryBudget, now: float, retries: int = 1000) -> int:
    """Withdraw up to so many retries at once; returns how many the budget allowed."""
    return sum(budget.try_withdraw(RetryPolicy(), now) for _ in range(retries))


def test_reserve_and_deposits() -> None:
    """The reserve is spent first, then what calls deposit; the reserve refills with time."""
    budget, policy = RetryBudget(), RetryPolicy(budget_ratio=0.5)
    assert withdraw(budget, 100) == RESERVE
    for _ in range(4):
        budget.deposit(policy, 100)
    assert withdraw(budget, 100) == 2
    assert withdraw(budget, 100 + WINDOW) == 1
    assert withdraw(budget, 100 + 4.5 * WINDOW) == 3
    assert withdraw(budget, 1e6) == RESERVE


def test_deposits_expire() -> None:
    """A busy client may retry many calls at once, but deposits of more than two windows ago no longer count."""
    budget, policy = RetryBudget(), RetryPolicy(budget_ratio=0.5)
    for now in range(100, 200):
        for _ in range(20):
            budget.deposit(policy, now)
    assert withdraw(budget, 199) == RESERVE + 2 * 0.5 * 20 * WINDOW
    for now in range(200, 300):
        for _ in range(20):
            budget.deposit(policy, now)
    assert withdraw(budget, 300 + WINDOW) == RESERVE


def test_infrequent_calls() -> None:
    """In an outage of one minute, a client with one call per second retries fewer than 60 % of its calls."""
    budget, policy = RetryBudget(), RetryPolicy()
    for now in range(100, 1000):
        budget.deposit(policy, now)
    retries = 0
    for now in range(1000, 1060):
        budget.deposit(policy, now)
        retries += withdraw(budget, now, 3)
    assert retries < 0.6 * 60


def test_no_budget() -> None:
    """A policy without a budget ratio is not bounded by the budget."""
    budget, policy = RetryBudget(), RetryPolicy(budget_ratio=None)
    assert all(budget.try_withdraw(policy, 0) for _ in range(1000))
