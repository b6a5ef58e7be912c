"""MiniGrid's four rooms in any size: the library's own are 19 cells wide."""

from typing import Any

from minigrid.core.mission import MissionSpace
from minigrid.envs.fourrooms import FourRoomsEnv
from minigrid.minigrid_env import MiniGridEnv


class SmallFourRooms(FourRoomsEnv):
    """Four rooms joined by gaps, an agent and a goal, all drawn anew for each episode.

    Args:
        size: cells of a side, the walls included.
        max_steps: of an episode.
        others: as for other environments of MiniGrid.
    """

    def __init__(self, size: int = 9, max_steps: int = 100, **others: Any) -> None:
        self._agent_default_pos = self._goal_default_pos = None
        self.size = size
        mission = MissionSpace(mission_func=self._gen_mission)
        MiniGridEnv.__init__(self, mission, width=size, height=size, max_steps=max_steps, **others)
