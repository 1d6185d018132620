/* The Python module learners._kernel: checks shapes, and calls law.c, estimates.c and drift.c.
 * Arguments are contiguous arrays of doubles; learners/_kernel.pyi lists them. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <string.h>

#include "kernel.h"

#define MOST 8

/* The arrays among a call's arguments: their numbers, and how many. */
typedef struct {
    int held;
    Py_buffer views[MOST];
    double alone; /* a float that came for an array */
    double *at[MOST];
    size_t count[MOST];
} Arrays;

static PyObject *leave(Arrays *arrays, PyObject *result)
{
    while (arrays->held > 0)
        PyBuffer_Release(&arrays->views[--arrays->held]);
    return result;
}

/* NULL, with an exception set: the one that there is, or else that shapes do not agree. */
static PyObject *refuse(Arrays *arrays)
{
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "shapes do not agree");
    return leave(arrays, NULL);
}

/* Takes the arrays of a call, then its numbers. kinds has a letter for each array: r is read, w
 * written to, f read and may be a float. 0, with an exception set, if that is not what came. */
static int take(PyObject *const *args, Py_ssize_t given, const char *kinds, Arrays *arrays,
                int numbers, double *number)
{
    int count = (int)strlen(kinds);
    arrays->held = 0;
    if (given != count + numbers) {
        PyErr_Format(PyExc_TypeError, "need %d arguments, got %zd", count + numbers, given);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        if (kinds[i] == 'f' && PyFloat_Check(args[i])) {
            arrays->alone = PyFloat_AsDouble(args[i]);
            arrays->at[i] = &arrays->alone, arrays->count[i] = 1;
            continue;
        }
        Py_buffer *view = &arrays->views[arrays->held];
        int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (kinds[i] == 'w' ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(args[i], view, flags) < 0)
            return 0;
        arrays->held++;
        if (strcmp(view->format, "d") != 0) {
            PyErr_SetString(PyExc_TypeError, "need arrays of doubles");
            return 0;
        }
        arrays->at[i] = view->buf;
        arrays->count[i] = (size_t)view->len / sizeof(double);
    }
    for (int i = 0; i < numbers; i++)
        number[i] = PyFloat_AsDouble(args[count + i]);
    return !PyErr_Occurred();
}

static PyObject *py_laws(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2], total = 0.0;
    if (!take(args, given, "rrw", &a, 2, number))
        return refuse(&a);
    size_t arms = number[0] >= 1.0 ? (size_t)number[0] : 0;
    int sound = arms > 0;
    for (size_t i = 0; i < a.count[1]; i++)
        sound &= a.at[1][i] >= 0.0, total += a.at[1][i] - a.at[1][i];
    for (size_t i = 0; i < a.count[0]; i++)
        total += a.at[0][i] - a.at[0][i];
    if (!sound || total != 0.0) {
        PyErr_SetString(PyExc_ValueError, "need an arm or more, finite means and sds, sd >= 0");
        return refuse(&a);
    }
    size_t n = a.count[0] / arms;
    if (a.count[0] != n * arms || a.count[1] != a.count[0] || a.count[2] != a.count[0])
        return refuse(&a);
    if (!laws(n, arms, a.at[0], a.at[1], number[1], a.at[2])) {
        PyErr_NoMemory();
        return refuse(&a);
    }
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_value_of_information(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[4];
    if (!take(args, given, "rrfrrww", &a, 4, number))
        return refuse(&a);
    size_t arms = number[0] >= 1.0 ? (size_t)number[0] : 0;
    size_t n = a.count[0], m = n ? a.count[4] / n : 0;
    size_t horizons = a.count[2], gaps = m ? a.count[3] / m : 0;
    if (!m || !arms || n % arms || (horizons != 1 && horizons != arms) || a.count[3] != gaps * m
        || (gaps != n && gaps != arms) || a.count[4] != n * m || a.count[1] != n
        || a.count[5] != n || a.count[6] != n)
        return refuse(&a);
    Outlook on = {n, arms, m, horizons, gaps, a.at[0], a.at[1], a.at[2], a.at[3], a.at[4],
                  number[1], number[2], number[3]};
    value_of_information(&on, a.at[5], a.at[6]);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_moments(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "rrrrwww", &a, 2, number))
        return refuse(&a);
    size_t d = a.count[2], k = d ? a.count[1] / d : 0, rows = d ? a.count[3] / d : 0;
    if (!k || a.count[0] != k * d * d || a.count[1] != k * d || a.count[3] != rows * d
        || a.count[4] != rows * k || a.count[5] != rows * k || a.count[6] != k * d)
        return refuse(&a);
    Fit fit = {k, d, a.at[0], a.at[1], a.at[2], number[0], number[1]};
    for (size_t row = 0; row < rows; row++)
        moments(&fit, a.at[3] + row * d, a.at[4] + row * k, a.at[5] + row * k, a.at[6]);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_means(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double offset;
    if (!take(args, given, "rrrrw", &a, 1, &offset))
        return refuse(&a);
    size_t d = a.count[2], k = d ? a.count[1] / d : 0, n = d ? a.count[3] / d : 0;
    if (!k || a.count[0] != k * d * d || a.count[1] != k * d || a.count[3] != n * d
        || a.count[4] != n * k)
        return refuse(&a);
    double *room = PyMem_Malloc(d * sizeof(double));
    if (!room) {
        PyErr_NoMemory();
        return refuse(&a);
    }
    Fit fit = {k, d, a.at[0], a.at[1], a.at[2], offset, 0.0};
    means(&fit, n, a.at[3], a.at[4], room);
    PyMem_Free(room);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_add(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "wwr", &a, 2, number))
        return refuse(&a);
    size_t d = a.count[2];
    if (a.count[0] != d * d || a.count[1] != d)
        return refuse(&a);
    add(d, a.at[0], a.at[1], a.at[2], number[0], number[1]);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_learn(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "wwwwwrrr", &a, 2, number))
        return refuse(&a);
    size_t d = a.count[7];
    for (int i = 0; i < 7; i++)
        if (a.count[i] != (i < 2 ? d * d : d))
            return refuse(&a);
    double *room = PyMem_Malloc(2 * d * sizeof(double));
    if (!room) {
        PyErr_NoMemory();
        return refuse(&a);
    }
    Step step = {d, a.at[0], a.at[1], a.at[2], a.at[3], a.at[4], a.at[5], a.at[6]};
    int moved = learn(&step, a.at[7], number[0], number[1], room);
    PyMem_Free(room);
    return leave(&a, PyBool_FromLong(moved));
}

static PyObject *py_watch(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[3];
    if (!take(args, given, "w", &a, 3, number) || a.count[0] != 4 * TILTS)
        return refuse(&a);
    return leave(&a, PyFloat_FromDouble(watch(a.at[0], number[0], number[1], number[2])));
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL}

static PyMethodDef METHODS[] = {
    METHOD(laws), METHOD(value_of_information), METHOD(moments), METHOD(means),
    METHOD(add),  METHOD(learn),                METHOD(watch),
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_kernel", NULL, -1, METHODS,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void)
{
    prepare_law();
    prepare_estimates();
    prepare_drift();
    return PyModule_Create(&MODULE);
}
