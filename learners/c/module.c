/* The Python module learners._kernel: checks shapes, and calls law.c, estimates.c, cells.c and
 * drift.c. Arguments are contiguous arrays of doubles; learners/_kernel.pyi lists them. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <string.h>

#include "kernel.h"

#define MOST 10

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

/* Whether a number is a place among so many, which is written then. */
static int is_place(double number, size_t among, size_t *place)
{
    if (!(number >= 0.0 && number < (double)among))
        return 0;
    *place = (size_t)number;
    return 1;
}

/* Writes a law for every `arms` of n scores; 0, with an exception set, where there is none. */
static int write_laws(size_t n, size_t arms, const double *mean, const double *sd, double floor,
                      double *law)
{
    double total = 0.0;
    int sound = arms > 0;
    for (size_t i = 0; i < n; i++)
        sound &= sd[i] >= 0.0, total += (sd[i] - sd[i]) + (mean[i] - mean[i]);
    if (!sound || total != 0.0)
        PyErr_SetString(PyExc_ValueError, "need an arm or more, finite means and sds, sd >= 0");
    else if (!laws(n / arms, arms, mean, sd, floor, law))
        PyErr_NoMemory();
    else
        return 1;
    return 0;
}

static PyObject *py_laws(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "rrw", &a, 2, number))
        return refuse(&a);
    size_t arms = number[0] >= 1.0 ? (size_t)number[0] : 0, n = a.count[0];
    if ((arms && n % arms) || a.count[1] != n || a.count[2] != n
        || !write_laws(n, arms, a.at[0], a.at[1], number[1], a.at[2]))
        return refuse(&a);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_value_of_information(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[4];
    if (!take(args, given, "rrfrrrrwww", &a, 4, number))
        return refuse(&a);
    size_t k = a.count[0], m = k ? a.count[3] / k : 0, horizons = a.count[2];
    if (!m || a.count[1] != k || (horizons != 1 && horizons != k) || a.count[3] != k * m
        || a.count[4] != k || a.count[5] != k * m || a.count[6] != k || a.count[7] != k
        || a.count[8] != k || a.count[9] != k)
        return refuse(&a);
    Outlook on = {k, m, horizons, a.at[0], a.at[1], a.at[2], a.at[3], a.at[4], a.at[5], a.at[6],
                  number[0], number[1], number[2]};
    value_of_information(&on, a.at[7], a.at[8]);
    if (!write_laws(k, k, a.at[7], a.at[8], number[3], a.at[9]))
        return refuse(&a);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_joint(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "rrrrrrrwww", &a, 2, number))
        return refuse(&a);
    size_t d = a.count[2], k = d ? a.count[1] / d : 0, n = d ? a.count[5] / d : 0;
    size_t m = d ? a.count[6] / d : 0;
    if (!k || a.count[0] != k * d * d || a.count[1] != k * d || a.count[3] != d * d
        || a.count[4] != d || a.count[5] != n * d || a.count[6] != d * m
        || a.count[7] != n * k || a.count[8] != n * k || a.count[9] != n * k * m)
        return refuse(&a);
    double *room = PyMem_Malloc(3 * d * sizeof(double));
    if (!room) {
        PyErr_NoMemory();
        return refuse(&a);
    }
    Fit fit = {k, d, a.at[0], a.at[1], a.at[2], a.at[3], a.at[4], number[0], number[1]};
    for (size_t i = 0; i < n; i++)
        joint(&fit, m, a.at[5] + i * d, a.at[6], a.at[7] + i * k, a.at[8] + i * k,
              a.at[9] + i * k * m, room);
    PyMem_Free(room);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_means(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "rrrrw", &a, 2, number))
        return refuse(&a);
    size_t d = a.count[2], arms = d ? a.count[1] / d : 0, n = d ? a.count[3] / d : 0;
    size_t k = n ? a.count[4] / n : 0, first;
    if (!arms || a.count[0] != arms * d * d || a.count[1] != arms * d || a.count[3] != n * d
        || a.count[4] != n * k || !is_place(number[0], arms, &first) || k > arms - first)
        return refuse(&a);
    double *room = PyMem_Malloc(d * sizeof(double));
    if (!room) {
        PyErr_NoMemory();
        return refuse(&a);
    }
    const double *ai = a.at[0] + first * d * d, *own = a.at[1] + first * d;
    Fit fit = {k, d, ai, own, a.at[2], NULL, NULL, number[1], 0.0};
    means(&fit, n, a.at[3], a.at[4], room);
    PyMem_Free(room);
    return leave(&a, Py_NewRef(Py_None));
}

static PyObject *py_add(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[3];
    if (!take(args, given, "wwwwr", &a, 3, number))
        return refuse(&a);
    size_t k = a.count[2], d = a.count[4], arm;
    if (a.count[0] != k * d * d || a.count[1] != k * d || a.count[3] != k
        || !is_place(number[0], k, &arm))
        return refuse(&a);
    add(d, a.at[0] + arm * d * d, a.at[1] + arm * d, a.at[2] + arm, a.at[3] + arm, a.at[4],
        number[1], number[2]);
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

static PyObject *py_expect(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Arrays a;
    double number[2];
    if (!take(args, given, "rrrrww", &a, 2, number))
        return refuse(&a);
    size_t k = a.count[3], cells = k ? a.count[0] / k : 0, arm;
    if (a.count[0] != k * cells || a.count[1] != k * cells || a.count[2] != 4 * k
        || a.count[4] != k * cells || a.count[5] != k * cells || !is_place(number[0], k, &arm))
        return refuse(&a);
    size_t row = arm * cells;
    expect(cells, a.at[0] + row, a.at[1] + row, a.at[2] + 4 * arm, a.at[3][arm], number[1],
           a.at[4] + row, a.at[5] + row);
    return leave(&a, Py_NewRef(Py_None));
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
    METHOD(laws), METHOD(value_of_information), METHOD(joint), METHOD(means),
    METHOD(add),  METHOD(learn),                METHOD(expect), METHOD(watch),
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
