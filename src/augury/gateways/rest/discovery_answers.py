"""Answers of the operations that help to find one's way: milestones, live data, targets, search."""

from typing import Any

from msgspec import UNSET, UnsetType

from augury.gateways.rest.answers import Answer, Milestone, Number


class GetMilestonesResponse(Answer):
    milestones: list[Milestone]
    cursor: str


class GetMilestoneResponse(Answer):
    milestone: Milestone


class LiveData(Answer):
    """Changing facts about a milestone; the shape of ``details`` depends on ``type``."""

    type: str
    details: dict[str, Any]
    milestone_id: str


class GetLiveDataResponse(Answer):
    live_data: LiveData


class GetLiveDatasResponse(Answer):
    live_datas: list[LiveData]


class StructuredTarget(Answer):
    """A real-world entity that markets and milestones refer to, such as a team."""

    id: str
    name: str
    type: str
    details: dict[str, Any]
    last_updated_ts: str
    source_id: str | UnsetType = UNSET


class GetStructuredTargetsResponse(Answer):
    structured_targets: list[StructuredTarget]
    cursor: str


class GetStructuredTargetResponse(Answer):
    structured_target: StructuredTarget


class GetTagsForSeriesCategoriesResponse(Answer):
    tags_by_categories: dict[str, list[str]]


class ScopeList(Answer):
    scopes: list[str]


class SportFilterDetails(Answer):
    scopes: list[str]
    competitions: dict[str, ScopeList]


class GetFiltersBySportsResponse(Answer):
    filters_by_sports: dict[str, SportFilterDetails]
    sport_ordering: list[str]


class IncentiveProgram(Answer):
    """A reward for liquidity or volume. ``period_reward`` is in 1/10,000 dollars."""

    id: str
    market_id: str
    market_ticker: str
    series_ticker: str
    incentive_type: str
    start_date: str
    end_date: str
    period_reward: int
    paid_out: bool
    discount_factor_bps: int | UnsetType = UNSET
    target_size: int | UnsetType = UNSET
    target_size_fp: str | UnsetType = UNSET


class GetIncentiveProgramsResponse(Answer):
    incentive_programs: list[IncentiveProgram]
    next_cursor: str


class SeriesFeeChange(Answer):
    """Terms that a series charges by from ``scheduled_ts`` on."""

    id: str
    series_ticker: str
    fee_type: str
    fee_multiplier: Number
    scheduled_ts: str


class GetSeriesFeeChangesResponse(Answer):
    series_fee_change_arr: list[SeriesFeeChange]
