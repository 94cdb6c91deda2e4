@echo off
rem From a fresh Windows to the running program: run.bat [arguments of gpen-ui], or run.bat test [arguments of pytest].
rem It only finds a Python; scripts\windows_start.py does all else. ASCII only, and lines end as Windows ends them.
setlocal
set "GPEN_UI_PYTHON="

rem Each is asked by running it: the stand-ins of the Microsoft Store exist under the name and fail.
for %%V in (3.12 3.11 3.13 3.14) do if not defined GPEN_UI_PYTHON call :try py -%%V
for %%N in (python python3) do if not defined GPEN_UI_PYTHON call :try %%N

if not defined GPEN_UI_PYTHON (
    chcp 65001 >nul
    type "%~dp0scripts\no_python.txt" >&2
    if "%~1"=="" pause
    exit /b 1
)
%GPEN_UI_PYTHON% -X utf8 "%~dp0scripts\windows_start.py" %*
set "GPEN_UI_RESULT=%ERRORLEVEL%"
rem Started by a double-click the window would close over the reason.
if "%~1"=="" if not "%GPEN_UI_RESULT%"=="0" pause
exit /b %GPEN_UI_RESULT%

:try
%* -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" >nul 2>nul
if not errorlevel 1 set "GPEN_UI_PYTHON=%*"
exit /b 0
