"""What jobs cost: resources times running time by a price table; forecasts, and budgets.

Pure: amounts go in and come out, time is an argument. A thing without a price has no cost here,
which is not the same as a cost of zero.
"""

from hpo_nni.costs.budget import Forecast, Room, forecast, judge_budget
from hpo_nni.costs.cluster import resources_of_cluster
from hpo_nni.costs.prices import Prices, money
from hpo_nni.costs.spending import Part, TrialCost, spending, trial_cost

__all__ = [
    "Forecast",
    "Part",
    "Prices",
    "Room",
    "TrialCost",
    "forecast",
    "judge_budget",
    "money",
    "resources_of_cluster",
    "spending",
    "trial_cost",
]
