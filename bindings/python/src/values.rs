//! Python objects to values and back. Must never know what the values are for.

use std::fmt::Write as _;

use haulier_model::Value;
use haulier_protocol::values;
use pyo3::{
    buffer::PyBuffer,
    exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError},
    prelude::*,
    types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple},
};

/// How many messages may be inside each other: protobuf decoders stop at 100.
const MOST_NESTED: usize = 96;
/// Messages that a list or a map puts around each of its values.
const LIST_COST: usize = 2;
const MAP_COST: usize = 3;

/// The arguments of a named task as bytes. `exact`: only what arrives in Python as the same type.
#[pyfunction]
pub(crate) fn encode_arguments<'py>(args: &Bound<'py, PyTuple>, exact: bool) -> PyResult<Bound<'py, PyBytes>> {
    let mut walk = Walk { exact, path: Vec::new(), depth: 1 };
    let mut arguments = Vec::with_capacity(args.len());
    for (index, argument) in args.iter().enumerate() {
        walk.path.push(Step::Argument(index));
        arguments.push(walk.value(&argument)?);
        walk.path.pop();
    }
    Ok(PyBytes::new(args.py(), &values::encode_arguments(&arguments)))
}

/// The arguments of a named task.
#[pyfunction]
pub(crate) fn decode_arguments<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let arguments = values::decode_arguments(payload).map_err(|error| PyTypeError::new_err(error.to_string()))?;
    let objects = arguments.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, objects)
}

/// One value as bytes.
#[pyfunction]
pub(crate) fn encode_value<'py>(value: &Bound<'py, PyAny>, exact: bool) -> PyResult<Bound<'py, PyBytes>> {
    let encoded = Walk { exact, path: Vec::new(), depth: 0 }.value(value)?;
    Ok(PyBytes::new(value.py(), &values::encode(&encoded)))
}

/// One value.
#[pyfunction]
pub(crate) fn decode_value<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let value = values::decode(payload).map_err(|error| PyTypeError::new_err(error.to_string()))?;
    to_python(py, &value)
}

/// A walk through an object; the path is for messages.
struct Walk {
    exact: bool,
    path: Vec<Step>,
    depth: usize,
}

enum Step {
    Argument(usize),
    Index(usize),
    Key(String),
}

impl Walk {
    fn value(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        if object.is_none() {
            Ok(Value::Null)
        } else if let Ok(boolean) = object.cast::<PyBool>() {
            Ok(Value::Boolean(boolean.is_true()))
        } else if object.is_exact_instance_of::<PyString>() {
            self.text(object)
        } else if object.is_exact_instance_of::<PyInt>() {
            self.integer(object)
        } else if object.is_exact_instance_of::<PyFloat>() {
            Ok(Value::Float(object.extract()?))
        } else if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            Ok(Value::Bytes(bytes.as_bytes().to_vec()))
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.list(list.iter())
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.map(dict)
        } else if self.exact {
            Err(self.refuse(object, "is no value that Python gives back as the same type"))
        } else {
            self.nearest(object)
        }
    }

    /// Subclasses, tuples, buffers, and what says that it is an integer.
    fn nearest(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        if object.is_instance_of::<PyString>() {
            self.text(object)
        } else if object.is_instance_of::<PyInt>() {
            self.integer(object)
        } else if object.is_instance_of::<PyFloat>() {
            Ok(Value::Float(object.extract()?))
        } else if object.is_instance_of::<PyBytes>()
            || object.is_instance_of::<PyByteArray>()
            || object.is_instance_of::<PyMemoryView>()
        {
            Ok(Value::Bytes(PyBuffer::<u8>::get(object)?.to_vec(object.py())?))
        } else if let Ok(list) = object.cast::<PyList>() {
            self.list(list.iter())
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            self.list(tuple.iter())
        } else if let Ok(dict) = object.cast::<PyDict>() {
            self.map(dict)
        } else if is_of_numpy(object) && object.hasattr("item")? && object.getattr("ndim")?.extract::<usize>()? == 0 {
            let plain = object.call_method0("item")?;
            if is_of_numpy(&plain) { Err(self.refuse(object, "is no value")) } else { self.value(&plain) }
        } else {
            Err(self.refuse(object, "is no value"))
        }
    }

    fn text(&self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        match object.cast::<PyString>()?.to_str() {
            Ok(text) => Ok(Value::String(text.to_owned())),
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(object.py()) => {
                Err(PyTypeError::new_err(format!("{} holds surrogates, which are no text", self.place())))
            }
            Err(error) => Err(error),
        }
    }

    fn integer(&self, object: &Bound<'_, PyAny>) -> PyResult<Value> {
        object
            .extract::<i64>()
            .map(Value::Integer)
            .map_err(|_| PyOverflowError::new_err(format!("{} is an integer of more than 64 bits", self.place())))
    }

    fn list<'py>(&mut self, items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>) -> PyResult<Value> {
        self.enter(LIST_COST)?;
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.enumerate() {
            self.path.push(Step::Index(index));
            list.push(self.value(&item)?);
            self.path.pop();
        }
        self.depth -= LIST_COST;
        Ok(Value::List(list))
    }

    fn map(&mut self, dict: &Bound<'_, PyDict>) -> PyResult<Value> {
        self.enter(MAP_COST)?;
        let mut map = Vec::with_capacity(dict.len());
        for (key, item) in dict.iter() {
            let name = key.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string_lossy().into_owned());
            self.path.push(Step::Key(name));
            let key = match self.value(&key)? {
                key @ (Value::String(_) | Value::Integer(_) | Value::Boolean(_)) => key,
                _ => return Err(self.refuse(&key, "is no key: a string, an integer or a boolean is")),
            };
            map.push((key, self.value(&item)?));
            self.path.pop();
        }
        self.depth -= MAP_COST;
        Ok(Value::Map(map))
    }

    fn enter(&mut self, cost: usize) -> PyResult<()> {
        self.depth += cost;
        if self.depth > MOST_NESTED {
            let outer = self.path.iter().take(4).fold(String::new(), |text, step| text + &step.text());
            return Err(PyTypeError::new_err(format!("{outer}... is nested too deep, or contains itself")));
        }
        Ok(())
    }

    fn refuse(&self, object: &Bound<'_, PyAny>, why: &str) -> PyErr {
        let kind = object.get_type();
        let name = kind.fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{} of type {name} {why}", self.place()))
    }

    fn place(&self) -> String {
        if self.path.is_empty() {
            return "the result".to_owned();
        }
        self.path.iter().fold(String::new(), |text, step| text + &step.text())
    }
}

impl Step {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = match self {
            Self::Argument(index) => write!(text, "argument {}", index + 1),
            Self::Index(index) => write!(text, "[{index}]"),
            Self::Key(key) => write!(text, "[{key}]"),
        };
        text
    }
}

fn is_of_numpy(object: &Bound<'_, PyAny>) -> bool {
    object.get_type().module().is_ok_and(|module| module.to_string_lossy() == "numpy")
}

fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Boolean(boolean) => PyBool::new(py, *boolean).to_owned().into_any(),
        Value::Integer(integer) => integer.into_pyobject(py)?.into_any(),
        Value::Float(float) => PyFloat::new(py, *float).into_any(),
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::List(list) => {
            let items = list.iter().map(|item| to_python(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Map(map) => {
            let dict = PyDict::new(py);
            for (key, item) in map {
                dict.set_item(to_python(py, key)?, to_python(py, item)?)?;
            }
            if dict.len() != map.len() {
                return Err(PyTypeError::new_err("a map has keys that are equal in Python, such as 1 and true"));
            }
            dict.into_any()
        }
    })
}
