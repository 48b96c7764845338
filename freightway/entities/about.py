"""What each workflow that we start without a person's words is for, as Temporal shows it with the workflow."""

from __future__ import annotations

ABOUT = {
    "Cluster": "Owns what holds for every project: ClusterConfig, ClusterPromotionTasks, freezes of everything. "
    "Runs for ever; waits for commands.",
    "Project": "Owns what was applied to the project, and tells its Warehouses and Stages of it. Runs until the project is "
    "deleted; waits for commands.",
    "Warehouse": "Owns the Freight of one Warehouse and every fact about it, and tells the Stages that take it. Runs until "
    "the Warehouse is deleted; waits for what its Schedule `discovery/…` finds, and for commands.",
    "Stage": "Owns the queue of promotions of one Stage, what it holds, its health and its verifications. Runs until the Stage "
    "is deleted; what it waits for now is in its current details.",
    "Discovery": "Looks once at every subscription of a Warehouse and tells it what is there. Started by the Warehouse's "
    "Schedule; at most 45 minutes.",
    "HealthCheck": "Looks once at the health checks of the project's Stages, and tells those whose health changed. Started "
    "by the project's Schedule.",
}
"""Workflow type -> what it is for, how long it runs and what for it waits; Markdown."""
