"""openeo-processes-dask, called with one process at a time."""

import inspect
import logging
import warnings

import openeo_processes_dask.process_implementations as implementations
import openeo_processes_dask.specs as specs
import xarray as xr
from openeo_pg_parser_networkx import OpenEOProcessGraph, Process, ProcessRegistry
from openeo_processes_dask.process_implementations.core import process


class Peer:
    """Its processes."""

    def __init__(self):
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")
        self.registry = ProcessRegistry(wrap_funcs=[process])
        for name, function in inspect.getmembers(implementations, inspect.isfunction):
            id = name.strip("_")
            self.registry[id] = Process(spec=getattr(specs, id, {}), implementation=function)

    def __call__(self, process_id, arguments):
        """The result, or the exception that it ended with."""
        cubes = {name: value for name, value in arguments.items() if isinstance(value, xr.DataArray)}
        given = {name: {"from_parameter": name} if name in cubes else value for name, value in arguments.items()}
        graph = {"only": {"process_id": process_id, "arguments": given, "result": True}}
        try:
            called = OpenEOProcessGraph(pg_data={"process_graph": graph}).to_callable(self.registry)
            result = called(named_parameters=dict(cubes))
            return result.compute() if isinstance(result, xr.DataArray) else result
        except Exception as error:  # whatever it is, it is no result
            return error
